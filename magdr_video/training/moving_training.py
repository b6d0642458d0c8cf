"""Trains generators that move pixels before they paint (`models.warped`) on pairs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from magdr_video.models.warped import FLOW_SCALE, MOTION_SIZE, WarpedGenerator
from magdr_video.training.ahead import Ahead
from magdr_video.training.critic import Contest, Contested
from magdr_video.training.faces_data import Array
from magdr_video.training.moving_pairs import PairArrays
from magdr_video.training.pair_loss import pair_loss
from magdr_video.training.paired import (
    average_into,
    export_weights,
    from_images,
    scheduled_rate,
    to_images,
)
from magdr_video.training.start import begin_with


@dataclass(frozen=True)
class MovingRecipe:
    """Settings of a training; the shipped weights' are in `presets/training/`."""

    size: int = 128
    width: int = 16
    blocks: int = 5
    batch: int = 8
    steps: int = 5000
    rate: float = 2e-3
    last_rate: float = 2e-5
    average_decay: float = 0.998
    most_gradient: float = 1.0
    """Bound of a step's gradient norm: a folded mesh gives a pair now and then that misleads."""
    seed: int = 1234
    threads: int = 1
    reader_share: float = 0.05
    """Learning rate of the reader as a share of the rest's, since it has learnt before."""
    motion_pairs: int = 2000
    """Pairs that the mean fields of motion are fitted to before the first step."""
    reader_start: str = ""
    """Name or file of an AU estimator that the reader begins with; its last layer if it fits."""
    start: str = ""
    """Name or file of a warped generator to begin with, where the shapes agree."""
    critic_weight: float = 0.0
    """Weight of what the critic of patches asks for; 0 trains without one."""
    critic_rate: float = 4e-4
    critic_from: float = 0.4
    """Share of the steps before the critic joins in."""
    obey_weight: float = 0.0
    """Weight of what a reader of the asked attributes says of the output (edit only)."""


def build(recipe: MovingRecipe, condition: int) -> WarpedGenerator:
    """The network of the recipe for conditions of that length, untrained."""
    return WarpedGenerator(width=recipe.width, blocks=recipe.blocks, condition=condition)


def begun(
    recipe: MovingRecipe, condition: int, report: Callable[[str], None]
) -> tuple[WarpedGenerator, set[str]]:
    """The network that a training begins with, and the names of what `start` gave it.

    Raises:
        WeightsError: weights to begin with are not there, or nothing of them fits.
    """
    net = build(recipe, condition)
    taken: set[str] = set()
    if recipe.reader_start:
        begin_with(net.reader, "reader_start", recipe.reader_start, report)
    if recipe.start:
        taken = begin_with(net, "start", recipe.start, report)
    return net, taken


class MovingTraining(Contested[WarpedGenerator]):
    """One generator under paired supervision (a `Trainable` of the loop).

    Args:
        recipe: the settings.
        condition: length of the condition.
        draw: a batch of pairs for a random generator.
        sheet: a contact sheet of held-out samples.
        device: where it trains.
        workers: processes that draw ahead.
        disobedience: a loss of outputs (F, 3, S, S) under conditions (F, C) at a step, or None.
        report: is told what was taken from the weights to begin with.

    Raises:
        WeightsError: weights to begin with are not there, or nothing of them fits.
    """

    def __init__(
        self,
        recipe: MovingRecipe,
        condition: int,
        draw: Callable[[np.random.Generator], PairArrays],
        sheet: Callable[[WarpedGenerator], Array],
        device: torch.device | str = "cpu",
        workers: int = 0,
        disobedience: Callable[[Tensor, Tensor, int], Tensor] | None = None,
        report: Callable[[str], None] = print,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self._disobedience = disobedience
        self.recipe, self._sheet, self._device = recipe, sheet, device
        self.net, taken = begun(recipe, condition, report)
        self.average = build(recipe, condition)
        self._batches = Ahead(lambda i: draw(np.random.default_rng((recipe.seed, i))), workers)
        # The reader's statistics are those it was begun with: batches here are too small for more.
        self.net.eval()
        if "motion" not in taken:
            self.net.motion.data = fit_motion(self.net, draw, recipe)
        self.average.load_state_dict(self.net.state_dict())
        self.average.eval()
        self.net.to(device)
        self.average.to(device)
        reader = list(self.net.reader.parameters())
        known = {id(parameter) for parameter in reader}
        rest = [held for held in self.net.parameters() if id(held) not in known]
        self.optimiser = torch.optim.Adam([{"params": rest}, {"params": reader}], lr=recipe.rate)
        self.contest = None
        if recipe.critic_weight:
            self.contest = Contest(condition, recipe.critic_rate, device)

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; the same index always draws the same pairs."""
        recipe = self.recipe
        pairs = self._batches.take(index).tensors(self._device)
        loss = pair_loss(self.net, pairs)
        told = {"moved": loss.moved, "do-nothing": loss.still, "flow px": loss.flow}
        told |= {"read": loss.read}
        total = loss.total
        if self._disobedience is not None:
            told["disobedience"] = self._disobedience(loss.out, pairs.asked, index)
            total = total + recipe.obey_weight * told["disobedience"]
            told["disobedience"] = told["disobedience"].detach()
        if self.contest is not None and index >= recipe.critic_from * recipe.steps:
            seen = (pairs.source, pairs.target, loss.out, pairs.asked, loss.area)
            told["critic"] = self.contest.learn(*seen)
            total = total + recipe.critic_weight * self.contest.persuade(*seen)
        rate = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        shares = (1.0, recipe.reader_share)
        for group, share in zip(self.optimiser.param_groups, shares, strict=True):
            group["lr"] = rate * share
        self.optimiser.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), recipe.most_gradient)
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        return told

    def close(self) -> None:
        """Let go of the processes that draw."""
        self._batches.close()

    def sheet(self) -> Array:
        """Held-out faces under the conditions that the task shows."""
        return self._sheet(self.average)


def fit_motion(
    net: WarpedGenerator, draw: Callable[[np.random.Generator], PairArrays], recipe: MovingRecipe
) -> Tensor:
    """Mean fields of motion by ridge regression of flows on what is asked and what is there.

    Returns:
        As `WarpedGenerator.motion`: (2 (1 + 2 C), 32, 32), in units of its scale.
    """
    size = 1 + 2 * net.condition_size
    normal, moment = np.eye(size), np.zeros((size, 2 * MOTION_SIZE**2))
    for index in range(recipe.motion_pairs // recipe.batch):
        drawn = draw(np.random.default_rng((recipe.seed, 1, index)))
        there = np.clip(np.nan_to_num(drawn.there), 0, 1)
        told = np.concatenate([np.ones((len(there), 1)), drawn.asked, there], axis=1)
        flows = torch.from_numpy(drawn.flows).permute(0, 3, 1, 2)
        coarse = nn.functional.interpolate(flows, size=(MOTION_SIZE, MOTION_SIZE), mode="area")
        normal += told.T @ told
        moment += told.T @ coarse.flatten(1).numpy()
    fields = np.linalg.solve(normal, moment) / FLOW_SCALE
    return torch.from_numpy(fields.astype(np.float32)).reshape(-1, MOTION_SIZE, MOTION_SIZE)


@torch.no_grad()
def contact_sheet(
    net: WarpedGenerator, faces: Array, size: int, conditions: Sequence[Sequence[float]]
) -> Array:
    """A row for each face (N, H, H, 3) uint8: the source, then each of the conditions (C,)."""
    held = from_images(faces).to(net.motion.device)
    source: Tensor = nn.functional.interpolate(held, size=(size, size), mode="area")
    columns = [source]
    for condition in conditions:
        asked = torch.tensor(condition, device=source.device)
        columns.append(net(source, asked.expand(len(source), -1)))
    return np.concatenate([np.concatenate(list(to_images(c)), 0) for c in columns], 1)


def export(
    net: WarpedGenerator,
    recipe: MovingRecipe,
    facts: dict[str, str],
    names: Sequence[str],
    to: Path,
) -> None:
    """Write the shipped file: float16 safetensors with its metadata.

    Args:
        facts: name, architecture, task and recipe of the file.
        names: of the condition's values, in order.
    """
    shared = {
        "layout": "warped",
        "width": str(recipe.width),
        "blocks": str(recipe.blocks),
        "condition": json.dumps(list(names)),
        "size": str(recipe.size),
    }
    export_weights(net, shared | facts, to)
