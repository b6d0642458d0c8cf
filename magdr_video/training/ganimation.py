"""Trains `ganimation-synthetic`, the generator of the `reenact` task, on pairs of expressions.

Source: GANimation (Pumarola et al., ECCV 2018) for the task and the attention. We differ in the
network (`models.warped`) and in the supervision: landmark-driven warps of synthetic faces take the
place of the cycle losses; a critic of patches, conditioned on the source, comes in as the finish.
"""

from __future__ import annotations

from magdr_video.models.conditions import ACTION_UNITS
from magdr_video.models.warped import WarpedGenerator
from magdr_video.training.action_units import TAUGHT_EXPRESSIONS, Array
from magdr_video.training.expression_pairs import draw_batch, expression_units, load_views
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.moving_training import (
    MovingRecipe,
    MovingTraining,
    begun,
    contact_sheet,
    export,
)
from magdr_video.training.running import Place, run_alone, run_steps, run_training, set_up, tell

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


def train(recipe: MovingRecipe, place: Place) -> None:
    """Train, or go on from the checkpoint in `place.out`, and write the weights beside it.

    Raises:
        InputError: `place.data` holds no OMI faces.
        WeightsError: the weights to begin with are not there, or nothing of them fits.
    """
    set_up(place.device, recipe.threads)
    # Wrong weights are found before the pairs are made; what fits is told when it is taken.
    begun(recipe, len(ACTION_UNITS), lambda line: None)
    faces = OmiFaces(place.data)
    views, held_out = (
        load_views(faces, place.out, held_out=part, seed=1234, workers=place.workers)
        for part in (False, True)
    )
    shown = held_out.views[::20, 0][:10]
    training = MovingTraining(
        recipe,
        len(ACTION_UNITS),
        lambda rng: draw_batch(views, recipe.batch, recipe.size, rng),
        lambda net: expression_sheet(net, shown, recipe.size),
        place.device,
        place.workers,
        report=tell,
    )
    run_steps(training, steps=recipe.steps, batch=recipe.batch, folder=place.out)
    export(training.average, recipe, FACTS, ACTION_UNITS, place.out / f"{NAME}.safetensors")


def main() -> None:
    """`python -m magdr_video.training.ganimation --data DATA --out RUNS`."""
    run_training(__doc__, MovingRecipe, PRESET, train)


if __name__ == "__main__":
    run_alone(main)
