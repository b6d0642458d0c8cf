"""Trains `stargan-synthetic`, the generator of the `edit` task, on pairs.

Source: StarGAN (Choi et al., CVPR 2018) for the task and the label; the network is that of
`models.warped`, the supervision paired.

The label is c = (Black_Hair, Blond_Hair, Brown_Hair, Male, Young). 0 and 1 ask for the absence
or presence of an attribute, as in the original. Two values go beyond it: with no hair colour set
the hair keeps its colour, and 0.5 for Male or Young leaves that attribute as it is.
"""

from __future__ import annotations

from functools import partial

from magdr_video.errors import SettingsError
from magdr_video.models.warped import WarpedGenerator
from magdr_video.training.attribute_reader import JUDGE_SEED, disobedience, kept_reader
from magdr_video.training.edit_pairs import CONDITION, draw_batch, load_views
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.moving_training import (
    MovingRecipe,
    MovingTraining,
    begun,
    contact_sheet,
    export,
)
from magdr_video.training.running import Place, run_alone, run_steps, run_training, set_up, tell

PRESET = "presets/training/stargan.toml"
NAME = "stargan-synthetic"
FACTS = {
    "name": NAME,
    "architecture": "stargan",
    "task": "edit",
    "recipe": "magdr-video train stargan",
}

READER_STEPS = 1000

SHEET_LABELS = (
    (1.0, 0.0, 0.0, 0.5, 0.5),
    (0.0, 1.0, 0.0, 0.5, 0.5),
    (0.0, 0.0, 1.0, 0.5, 0.5),
    (0.0, 0.0, 0.0, 1.0, 0.5),
    (0.0, 0.0, 0.0, 0.0, 0.5),
    (0.0, 0.0, 0.0, 0.5, 1.0),
    (0.0, 0.0, 0.0, 0.5, 0.0),
)
"""Columns of a sheet after the source: three hair colours, male, female, young, old."""


def edit_sheet(net: WarpedGenerator, faces: Array, size: int) -> Array:
    """A row for each face (N, H, H, 3) uint8: the source and its edits by `SHEET_LABELS`."""
    return contact_sheet(net, faces, size, SHEET_LABELS)


def train(recipe: MovingRecipe, place: Place) -> None:
    """Train, or go on from the checkpoint in `place.out`, and write the weights beside it.

    Raises:
        InputError: `place.data` holds no OMI faces.
        SettingsError: the seed is the one of the judge of `edit_scores`.
        WeightsError: the weights to begin with are not there, or nothing of them fits.
    """
    set_up(place.device, recipe.threads)
    # Wrong weights are found before the pairs are made; what fits is told when it is taken.
    begun(recipe, len(CONDITION), lambda line: None)
    faces = OmiFaces(place.data)
    views, held_out = (
        load_views(faces, place.out, held_out=part, workers=place.workers) for part in (False, True)
    )
    obeys = None
    if recipe.obey_weight:
        if recipe.seed == JUDGE_SEED:
            raise SettingsError(f"seed = {JUDGE_SEED} is the judge's", hint="take another")
        # Another seed than the judge's of `edit_scores`, which the generator never meets.
        reader = kept_reader(
            views, place.out, steps=READER_STEPS, seed=recipe.seed, device=place.device
        )
        obeys = partial(disobedience, reader.requires_grad_(False))
    shown = held_out.views[::20, 0][:10]
    training = MovingTraining(
        recipe,
        len(CONDITION),
        lambda rng: draw_batch(views, recipe.batch, recipe.size, rng),
        lambda net: edit_sheet(net, shown, recipe.size),
        place.device,
        place.workers,
        obeys,
        tell,
    )
    run_steps(training, steps=recipe.steps, batch=recipe.batch, folder=place.out)
    export(training.average, recipe, FACTS, CONDITION, place.out / f"{NAME}.safetensors")


def main() -> None:
    """`python -m magdr_video.training.stargan --data DATA --out RUNS`."""
    run_training(__doc__, MovingRecipe, PRESET, train)


if __name__ == "__main__":
    run_alone(main)
