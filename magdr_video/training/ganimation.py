"""Trains `ganimation-synthetic`, the generator of the `reenact` task, on pairs of expressions.

Source: GANimation (Pumarola et al., ECCV 2018) for the network and its attention losses. We
differ in the supervision: landmark-driven warps of synthetic faces take the place of the
adversarial and cycle losses, which a few tens of thousands of images on a CPU cannot satisfy.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from magdr_video.models.ganimation import ACTION_UNITS, GANimation
from magdr_video.models.trunk import blend_by_attention
from magdr_video.training.action_units import TAUGHT_EXPRESSIONS
from magdr_video.training.expression_pairs import (
    ExpressionViews,
    draw_batch,
    expression_units,
    load_views,
)
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.loop import fit
from magdr_video.training.paired import (
    average_into,
    export_weights,
    from_images,
    read_recipe,
    scheduled_rate,
    to_images,
)

PRESET = "presets/training/ganimation.toml"
NAME = "ganimation-synthetic"


@dataclass(frozen=True)
class GanimationRecipe:
    """Settings of the training; defaults are those of the shipped weights."""

    size: int = 128
    width: int = 16
    blocks: int = 4
    batch: int = 6
    steps: int = 3000
    close: int = 96
    close_share: float = 0.6
    rate: float = 2e-3
    last_rate: float = 3e-5
    colour_weight: float = 0.3
    attention_weight: float = 0.05
    average_decay: float = 0.998
    seed: int = 1234
    threads: int = 1


def build(recipe: GanimationRecipe) -> GANimation:
    """The network of the recipe, untrained, in the layout that a compact net can learn in."""
    return GANimation(width=recipe.width, blocks=recipe.blocks, layout="modulated")


def _close_up(
    recipe: GanimationRecipe, index: int, rng: np.random.Generator
) -> tuple[slice, slice, slice]:
    """The part of a batch (F, S, S, 3) to train on: the face first, later the whole view.

    The face is a little below the middle; without hair and background a step costs about half.
    """
    if index >= recipe.close_share * recipe.steps:
        return slice(None), slice(None), slice(None)
    spare = recipe.size - recipe.close
    top = int(np.clip(0.75 * spare + rng.integers(-8, 9), 0, spare))
    left = int(np.clip(0.5 * spare + rng.integers(-8, 9), 0, spare))
    return slice(None), slice(top, top + recipe.close), slice(left, left + recipe.close)


def expression_loss(
    source: Tensor,
    target: Tensor,
    attention: Tensor,
    colour: Tensor,
    *,
    colour_weight: float = 0.0,
    attention_weight: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """L1 where the pair differs (for the report), and the loss.

    Expressions move a few per cent of the pixels, and a plain L1 is soon content with keeping
    the input. So the moved region, whatever its size, counts as much as all the rest: a blink as
    much as a jaw drop. The colour head is taught there directly, and the attention is told where
    "there" is (cross entropy), lest it saturate at 1 before the colours are worth anything.
    """
    change = (target - source).abs().amax(1, keepdim=True)
    spread = nn.functional.max_pool2d((change > 0.05).float(), 5, stride=1, padding=2)
    moved = nn.functional.avg_pool2d(spread, 5, stride=1, padding=2)
    weight = moved / moved.mean(dim=(1, 2, 3), keepdim=True).clamp_min(0.01)
    error = (blend_by_attention(source, attention, colour) - target).abs()
    there = (weight * error).mean()
    loss = there + 2 * error.mean()
    loss = loss + colour_weight * ((weight + 1) * (colour - target).abs()).mean()
    if attention_weight > 0:
        kept = attention.clamp(1e-4, 1 - 1e-4)
        loss = loss + attention_weight * nn.functional.binary_cross_entropy(kept, 1 - moved)
    return there, loss


class GanimationTraining:
    """One generator under paired supervision (a `Trainable` of the loop)."""

    def __init__(
        self, recipe: GanimationRecipe, views: ExpressionViews, held_out: ExpressionViews
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.views, self.held_out = recipe, views, held_out
        net = build(recipe)
        # Constant planes pass the first InstanceNorm by way of the zero padding only: 2.5 times
        # the usual scale helps them through. The modulated blocks carry most of the condition.
        net.main[0].weight.data[:, 3:] *= 2.5  # type: ignore[index,union-attr]
        self.net = net.to(memory_format=torch.channels_last)
        self.average = build(recipe)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=recipe.rate)

    def step(self, index: int) -> dict[str, float]:
        """One batch; the same index always draws the same pairs."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        sources, targets, units = draw_batch(self.views, recipe.batch, recipe.size, rng)
        view = _close_up(recipe, index, rng)
        source, target = from_images(sources[view]), from_images(targets[view])
        with torch.autocast("cpu", torch.bfloat16):
            attention, colour = self.net.heads(source, torch.from_numpy(units))
        attention = attention.float()
        moved, loss = expression_loss(
            source,
            target,
            attention,
            colour.float(),
            colour_weight=recipe.colour_weight,
            attention_weight=recipe.attention_weight * (1 - index / recipe.steps),
        )
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        still, _ = expression_loss(source, target, torch.ones_like(attention), source)
        return {
            "moved": float(moved.detach()),
            "do-nothing": float(still.detach()),
            "kept": float(attention.detach().mean()),
        }

    def state(self) -> dict[str, Any]:
        """Network, its running average and the optimiser."""
        parts: dict[str, Any] = {
            "net": self.net,
            "average": self.average,
            "optimiser": self.optimiser,
        }
        return {name: part.state_dict() for name, part in parts.items()}

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def sheet(self) -> Array:
        """Ten held-out faces under every named expression."""
        faces = self.held_out.views[:: max(1, len(self.held_out.views) // 10)][:10, 0]
        return expression_sheet(self.average, faces, self.recipe.size)


@torch.no_grad()
def expression_sheet(net: GANimation, faces: Array, size: int) -> Array:
    """A row for each face (N, H, H, 3) uint8: the source, then the taught expressions."""
    source: Tensor = torch.nn.functional.interpolate(
        from_images(faces), size=(size, size), mode="area"
    )
    columns = [source]
    for name in TAUGHT_EXPRESSIONS:
        units = torch.from_numpy(expression_units(name)).expand(len(source), -1)
        columns.append(net(source, units))
    return np.concatenate([np.concatenate(list(to_images(c)), 0) for c in columns], 1)


def export(net: GANimation, recipe: GanimationRecipe, target: Path) -> None:
    """Write the shipped file: float16 safetensors with its metadata."""
    facts = {
        "name": NAME,
        "architecture": "ganimation",
        "layout": "modulated",
        "width": str(recipe.width),
        "blocks": str(recipe.blocks),
        "condition": json.dumps(ACTION_UNITS),
        "size": str(recipe.size),
        "task": "reenact",
        "recipe": "magdr-video train ganimation",
    }
    export_weights(net, facts, target)


def train(recipe: GanimationRecipe, *, data: Path, out: Path) -> None:
    """Train, or go on from `out`'s checkpoint, and write `out/ganimation-synthetic.safetensors`.

    Args:
        data: the folder that holds `omi/`.
        out: home of the cached pairs, the checkpoint, the sheets and the weights.

    Raises:
        InputError: `data` holds no OMI faces.
    """
    torch.set_num_threads(recipe.threads)
    faces = OmiFaces(data)
    views = [load_views(faces, out, held_out=part, seed=recipe.seed) for part in (False, True)]
    training = GanimationTraining(recipe, *views)
    fit(training, steps=recipe.steps, batch=recipe.batch, folder=out, report=_say)
    export(training.average, recipe, out / f"{NAME}.safetensors")


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """`python -m magdr_video.training.ganimation --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path(PRESET))
    given = parser.parse_args()
    train(read_recipe(GanimationRecipe, given.recipe), data=given.data, out=given.out)


if __name__ == "__main__":
    main()
