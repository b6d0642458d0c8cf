"""Trains `purifier`, the learned residual of METHOD 6.5, on attacks against all generators.

    python -m magdr_video.training.purifier --data DATA --out RUNS

First on images alone (Charbonnier, since an L1 loss on sign-like noise is flat at a residual of
zero), on windows; then on whole faces with the output loss of eq. 8 through the frozen generators.
"""

from __future__ import annotations

import argparse
import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from magdr_video.device import choose_device, coarse_products
from magdr_video.models.purifier import Purifier
from magdr_video.models.trunk import to_model_range
from magdr_video.training.ahead import Ahead
from magdr_video.training.faces_data import Array, OmiFaces, is_held_out
from magdr_video.training.loop import Averaged, memory_format
from magdr_video.training.paired import (
    average_into,
    export_weights,
    read_recipe,
    scheduled_rate,
    to_images,
)
from magdr_video.training.purifier_pool import Pool, fill
from magdr_video.training.purifier_views import Views, draw_views
from magdr_video.training.running import run_alone, run_steps, tell
from magdr_video.training.start import take_over
from magdr_video.translation import Translator, load_translator

PRESET = "presets/training/purifier.toml"
NAME = "purifier"
MOST_PROCESSES = 12
"""A batch takes twelve cores about as long to draw as a GPU to learn from."""
MOST_MAKERS = 6
"""Processes that share a GPU take turns on it; more wait for each other."""
SCALE = 0.05
"""Errors are counted in this unit, the usual epsilon, so that the parts of the loss compare."""


@dataclass(frozen=True)
class PurifierRecipe:
    """Settings of one training; how the shipped weights were made is told in their card."""

    size: int = 128
    window: int = 64
    """Side of the windows of the first part, px."""
    width: int = 24
    blocks: int = 3
    batch: int = 12
    steps: int = 9000
    output_from: int = 8000
    """Step at which whole faces and the loss on outputs begin."""
    output_faces: int = 3
    """Attacked faces a step that go through the generator."""
    output_weight: float = 1.0
    gate_weight: float = 0.5
    clean_weight: float = 1.5
    pieces: int = 92
    """Pieces of attacked faces; the generators take turns."""
    grow_every: int = 80
    """Steps after which one piece more is drawn from, so that training need not wait for all."""
    rate: float = 2e-3
    last_rate: float = 3e-5
    average_decay: float = 0.998
    seed: int = 1234
    threads: int = 1
    generators: str = (
        "stargan-synthetic,stargan-synthetic,cyclegan-synthetic-ab,ganimation-synthetic"
    )
    """They take turns; edit twice, since it can be asked for most."""
    start: str = ""
    """Weights to begin with, a name or a file; none begins at the identity."""


def charbonnier(error: Tensor) -> Tensor:
    """sqrt(1 + e^2) - 1 of each face, (F,): a square for small errors, a line for large ones."""
    return ((1 + (error / SCALE).square()).sqrt() - 1).flatten(1).mean(dim=1)


def image_loss(
    net: Purifier, views: Views, gate_weight: float, clean_weight: float
) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Purified images (F, 3, s, s) in [-1, 1], the loss, and its parts for the report."""
    given, wanted = to_model_range(views.given), to_model_range(views.wanted)
    residual, logit = net.parts(given)
    purified = given - residual * torch.sigmoid(logit)[:, None, None, None]
    attacked, clean = views.attacked > 0, views.attacked == 0
    # Of attacked faces without the gate: while it still guesses, it would hold the residual back.
    left = charbonnier(given - residual - wanted)[attacked].mean()
    kept = charbonnier(purified - wanted)[clean].mean()
    gate = F.binary_cross_entropy_with_logits(logit, views.attacked)
    loss = left + clean_weight * kept + gate_weight * gate
    before = charbonnier(given - wanted)[attacked].mean()
    right = ((logit > 0).float() == views.attacked).float().mean()
    parts = {"left": left / before.clamp(min=1e-6), "clean": kept, "gate": gate, "right": right}
    return purified, loss, parts


def output_loss(
    translator: Translator, purified: Tensor, wanted: Tensor, condition: Tensor
) -> Tensor:
    """Eq. 8: L1 between the translations of purified and clean faces, in units of `SCALE`.

    Args:
        purified: (F, 3, S, S) in [-1, 1], with gradients.
        wanted: (F, 3, S, S) in [0, 1].
        condition: (F, C).
    """
    with torch.no_grad():
        clean = translator.translate(wanted, condition)
    got = translator.translate((purified + 1) / 2, condition)
    return 2 * (got - clean).abs().mean() / SCALE


def begun(recipe: PurifierRecipe) -> Purifier:
    """The network that a training begins with: the identity, or that of the named weights.

    Raises:
        WeightsError: the weights are not there, or are of another network or form.
    """
    net = Purifier(width=recipe.width, blocks=recipe.blocks)
    if recipe.start:
        take_over(net, "start", recipe.start)
    return net


class PurifierTraining(Averaged[Purifier]):
    """The purifier under its losses (a `Trainable` of the loop).

    Raises:
        WeightsError: the weights to begin with cannot be taken over.
    """

    def __init__(
        self,
        recipe: PurifierRecipe,
        pool: Pool,
        held_out: Pool,
        device: torch.device | str = "cpu",
        workers: int = 0,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.pool, self.held_out = recipe, pool, held_out
        self.device = torch.device(device)
        self.net = begun(recipe).to(self.device)
        self.average = Purifier(width=recipe.width, blocks=recipe.blocks).to(self.device)
        self.average.load_state_dict(self.net.state_dict())
        self.net.to(memory_format=memory_format())
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=recipe.rate, weight_decay=0)
        self._piece = functools.lru_cache(maxsize=None)(pool.piece)
        self._batches = Ahead(self._draw, workers)

    def _draw(self, index: int) -> tuple[int, tuple[NDArray[np.float32], ...]]:
        """The number of a step's piece and its views; the same for the same index."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        number = int(rng.integers(self._pieces(index)))
        side = recipe.size if index >= recipe.output_from else recipe.window
        return number, draw_views(self._piece(number), recipe.batch, side, rng).arrays()

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; the losses stay on the device."""
        recipe, whole = self.recipe, index >= self.recipe.output_from
        number, drawn = self._batches.take(index)
        views = Views.of(drawn).to(self.device)
        purified, loss, parts = image_loss(self.net, views, recipe.gate_weight, recipe.clean_weight)
        if whole:
            output = self._output_loss(self.pool.translator(number), views, purified)
            loss = loss + recipe.output_weight * output
            parts["output"] = output
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        return {name: value.detach() for name, value in parts.items()}

    def close(self) -> None:
        """Let go of the processes that draw."""
        self._batches.close()

    def _pieces(self, index: int) -> int:
        """How many pieces a step may draw from."""
        turns = len(self.pool.translators)
        return min(self.recipe.pieces, turns * 2 + index // self.recipe.grow_every)

    def _output_loss(self, translator: Translator, views: Views, purified: Tensor) -> Tensor:
        # The attacked ones are the first of a batch.
        some = slice(0, self.recipe.output_faces)
        return output_loss(translator, purified[some], views.wanted[some], views.condition[some])

    @torch.no_grad()
    def sheet(self) -> Array:
        """Held-out faces in columns: clean, attacked, purified, and eight times the residual."""
        piece = self.held_out.piece(0)
        clean, attacked = (
            to_model_range(x[:8].to(self.device).float() / 255)
            for x in (piece.clean, piece.attacked)
        )
        residual = self.average(attacked)
        rows = (clean, attacked, attacked - residual, residual * 8)
        return np.concatenate([np.concatenate([*to_images(row)], axis=1) for row in rows])


def export(net: Purifier, recipe: PurifierRecipe, target: Path) -> None:
    """Write the shipped file: float16 safetensors with its metadata."""
    facts = {
        "name": NAME,
        "architecture": "purifier",
        "layout": "magdr",
        "width": str(recipe.width),
        "size": str(recipe.size),
        "task": "purify",
        "recipe": "magdr-video train purifier",
    }
    export_weights(net, facts, target)


def train(
    recipe: PurifierRecipe,
    *,
    data: Path,
    out: Path,
    pool_only: bool = False,
    device: str = "auto",
    workers: int | None = None,
) -> None:
    """Train, or go on from `out`'s checkpoint, and write `out/purifier.safetensors`.

    Args:
        data: the folder that holds `omi/`.
        out: home of the pool, the checkpoint, the sample sheets and the weights.
        pool_only: make the attacked faces and stop, so that another process may do it ahead.
        device: of the network and the generators.
        workers: processes that make the attacked faces first, then draw batches ahead; 0 makes
            and draws between the steps. The result is the same. None takes what suits the device.

    Raises:
        DeviceError: the device asked for is not there.
        InputError: `data` holds no OMI faces.
        WeightsError: a generator, the weights to start with, or a checkpoint cannot be loaded.
    """
    torch.set_num_threads(recipe.threads)
    begun(recipe)  # Wrong weights are found before hours of attacks.
    place, faces = choose_device(device), OmiFaces(data)
    translators = [load_translator(name.strip(), place) for name in recipe.generators.split(",")]
    pool, held_out = (
        Pool(
            out / ("pool-held-out" if part else "pool"),
            translators,
            faces,
            [name for name in faces.photos if is_held_out(name) == part],
            size=recipe.size,
            seed=recipe.seed + part,
        )
        for part in (False, True)
    )
    workers = _processes(place) if workers is None else workers
    if pool_only or workers:
        fill(pool, recipe.pieces, tell, min(workers, MOST_MAKERS))
    if pool_only:
        return
    training = PurifierTraining(recipe, pool, held_out, place, workers)
    with coarse_products():
        run_steps(training, steps=recipe.steps, batch=recipe.batch, folder=out, save_every=200)
    export(training.average, recipe, out / f"{NAME}.safetensors")


def _processes(device: torch.device) -> int:
    """A core each beside those of the training and its device, which a batch keeps waiting."""
    return 0 if device.type == "cpu" else max(1, min((os.cpu_count() or 1) - 3, MOST_PROCESSES))


def main() -> None:
    """`python -m magdr_video.training.purifier --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path(PRESET))
    parser.add_argument("--pool-only", action="store_true", help="make the attacked faces only")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--workers", type=int, help="processes that make and draw ahead")
    given = parser.parse_args()
    recipe = read_recipe(PurifierRecipe, given.recipe)
    train(
        recipe,
        data=given.data,
        out=given.out,
        pool_only=given.pool_only,
        device=given.device,
        workers=given.workers,
    )


if __name__ == "__main__":
    run_alone(main)
