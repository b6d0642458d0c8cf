"""Trains `ganimation-synthetic`, the generator of the `reenact` task, on pairs of expressions.

Source: GANimation (Pumarola et al., ECCV 2018) for the task and the attention. We differ in the
network (`models.warped`) and in the supervision: landmark-driven warps of synthetic faces take the
place of the adversarial and cycle losses, which a few tens of thousands of images on a CPU cannot
satisfy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from magdr_video.device import choose_device
from magdr_video.models.conditions import ACTION_UNITS
from magdr_video.models.warped import WarpedGenerator
from magdr_video.training.action_units import TAUGHT_EXPRESSIONS, Array
from magdr_video.training.expression_pairs import draw_batch, expression_units, load_views
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.loop import fit
from magdr_video.training.moving_pairs import MovingRecipe, MovingTraining, contact_sheet, export
from magdr_video.training.paired import read_recipe

PRESET = "presets/training/ganimation.toml"
NAME = "ganimation-synthetic"
FACTS = {
    "name": NAME,
    "architecture": "ganimation",
    "task": "reenact",
    "recipe": "magdr-video train ganimation",
}


def expression_sheet(net: WarpedGenerator, faces: Array, size: int) -> Array:
    """A row for each face (N, H, H, 3) uint8: the source, then the taught expressions."""
    asked = [expression_units(name).tolist() for name in TAUGHT_EXPRESSIONS]
    return contact_sheet(net, faces, size, asked)


def train(recipe: MovingRecipe, *, data: Path, out: Path) -> None:
    """Train, or go on from `out`'s checkpoint, and write `out/ganimation-synthetic.safetensors`.

    Args:
        data: the folder that holds `omi/`.
        out: home of the cached pairs, the checkpoint, the sheets and the weights.

    Raises:
        InputError: `data` holds no OMI faces.
    """
    device = choose_device("auto")
    if device.type == "cpu":
        torch.set_num_threads(recipe.threads)
    faces = OmiFaces(data)
    views = load_views(faces, out, held_out=False, seed=1234)
    shown = load_views(faces, out, held_out=True, seed=1234).views[::20, 0][:10]
    training = MovingTraining(
        recipe,
        len(ACTION_UNITS),
        lambda rng: draw_batch(views, recipe.batch, recipe.size, rng),
        lambda net: expression_sheet(net, shown, recipe.size),
        device,
    )
    fit(training, steps=recipe.steps, batch=recipe.batch, folder=out, report=_say)
    export(training.average, recipe, FACTS, ACTION_UNITS, out / f"{NAME}.safetensors")


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """`python -m magdr_video.training.ganimation --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path(PRESET))
    given = parser.parse_args()
    train(read_recipe(MovingRecipe, given.recipe), data=given.data, out=given.out)


if __name__ == "__main__":
    main()
