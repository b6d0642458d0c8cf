"""Trains `stargan-synthetic`, the attention-guided StarGAN of the `edit` task, on pairs.

The label is c = (Black_Hair, Blond_Hair, Brown_Hair, Male, Young). 0 and 1 ask for the absence
or presence of an attribute, as in the original. Two values go beyond it: with no hair colour set
the hair keeps its colour, and 0.5 for Male or Young leaves that attribute as it is.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magdr_video.models.stargan import StarGAN
from magdr_video.models.trunk import blend_by_attention
from magdr_video.training.edit_pairs import CONDITION, EditViews, draw_batch, load_views
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.loop import fit
from magdr_video.training.paired import (
    average_into,
    export_weights,
    from_images,
    paired_loss,
    read_recipe,
    scheduled_rate,
    to_images,
)

PRESET = "presets/training/stargan.toml"


@dataclass(frozen=True)
class StarganRecipe:
    """Settings of the training; defaults are those of the shipped weights.

    The first `hair_steps` ask for hair only, the easiest of the edits; the learning rate starts
    anew after them.
    """

    size: int = 128
    width: int = 16
    blocks: int = 4
    batch: int = 4
    steps: int = 8600
    hair_steps: int = 6000
    rate: float = 6e-4
    last_rate: float = 3e-5
    attention_weight: float = 0.02
    smoothness_weight: float = 0.002
    average_decay: float = 0.998
    seed: int = 1234
    threads: int = 1


def build(recipe: StarganRecipe) -> StarGAN:
    """The network of the recipe, untrained."""
    return StarGAN(
        width=recipe.width, blocks=recipe.blocks, condition=len(CONDITION), attention=True
    )


class StarganTraining:
    """One generator under paired supervision (a `Trainable` of the loop)."""

    def __init__(self, recipe: StarganRecipe, train: EditViews, held_out: EditViews) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.train, self.held_out = recipe, train, held_out
        self.net = build(recipe).to(memory_format=torch.channels_last)
        self.average = build(recipe)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=recipe.rate)

    def step(self, index: int) -> dict[str, float]:
        """One batch; the same index always draws the same pairs."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        first = index < recipe.hair_steps
        sources, targets, labels = draw_batch(
            self.train, recipe.batch, recipe.size, rng, hair_only=first
        )
        source, target = from_images(sources), from_images(targets)
        with torch.autocast("cpu", torch.bfloat16):
            attention, colour = self.net.heads(source, torch.from_numpy(labels))
        attention = attention.float()
        out = blend_by_attention(source, attention, colour.float())
        l1, loss = paired_loss(
            source, target, out, attention, recipe.attention_weight, recipe.smoothness_weight
        )
        done = index if first else index - recipe.hair_steps
        steps = recipe.hair_steps if first else recipe.steps - recipe.hair_steps
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(done, steps, recipe.rate, recipe.last_rate)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        still = (source - target).abs().mean()
        return {"l1": l1.item(), "do-nothing": still.item(), "kept": attention.mean().item()}

    def state(self) -> dict[str, Any]:
        """Network, its running average and the optimiser."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def sheet(self) -> Array:
        """Held-out faces: source, three hair colours, male, female, young, old."""
        faces = self.held_out.views[:: max(1, len(self.held_out.hair) // 10)][:10, 0]
        return edit_sheet(self.average, faces, self.recipe.size)


SHEET_LABELS = (
    (1.0, 0.0, 0.0, 0.5, 0.5),
    (0.0, 1.0, 0.0, 0.5, 0.5),
    (0.0, 0.0, 1.0, 0.5, 0.5),
    (0.0, 0.0, 0.0, 1.0, 0.5),
    (0.0, 0.0, 0.0, 0.0, 0.5),
    (0.0, 0.0, 0.0, 0.5, 1.0),
    (0.0, 0.0, 0.0, 0.5, 0.0),
)
"""Columns of a sheet after the source."""


@torch.no_grad()
def edit_sheet(net: StarGAN, faces: Array, size: int) -> Array:
    """A row for each face (N, H, H, 3) uint8: the source and its edits by `SHEET_LABELS`."""
    source: Tensor = torch.nn.functional.interpolate(
        from_images(faces), size=(size, size), mode="area"
    )
    columns = [source]
    columns += [net(source, torch.tensor([c]).expand(len(source), -1)) for c in SHEET_LABELS]
    return np.concatenate([np.concatenate(list(to_images(c)), 0) for c in columns], 1)


def export(net: StarGAN, recipe: StarganRecipe, target: Path) -> None:
    """Write the shipped file: float16 safetensors with its metadata."""
    facts = {
        "name": "stargan-synthetic",
        "architecture": "stargan",
        "width": str(recipe.width),
        "blocks": str(recipe.blocks),
        "condition": json.dumps(CONDITION),
        "size": str(recipe.size),
        "task": "edit",
        "recipe": "magdr-video train stargan",
    }
    export_weights(net, facts, target)


def train(recipe: StarganRecipe, *, data: Path, out: Path) -> None:
    """Train, or go on from `out`'s checkpoint, and write `out/stargan-synthetic.safetensors`.

    Args:
        data: the folder that holds `omi/`.
        out: home of the cached pairs, the checkpoint, the sheets and the weights.

    Raises:
        InputError: `data` holds no OMI faces.
    """
    torch.set_num_threads(recipe.threads)
    faces = OmiFaces(data)
    views = [load_views(faces, out, held_out=held_out) for held_out in (False, True)]
    training = StarganTraining(recipe, *views)
    fit(training, steps=recipe.steps, batch=recipe.batch, folder=out, report=_say)
    export(training.average, recipe, out / "stargan-synthetic.safetensors")


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """`python -m magdr_video.training.stargan --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path(PRESET))
    given = parser.parse_args()
    train(read_recipe(StarganRecipe, given.recipe), data=given.data, out=given.out)


if __name__ == "__main__":
    main()
