"""Trains the baselines of the benchmark for one generator, into a cache folder.

    magdr-video train baselines --task edit --data ../shared/data --out benchmark/baselines

The weights of baselines are not shipped: they belong to one generator, one attack and one list of
faces. The benchmark trains them by itself on its own training faces; this recipe is for looking
at one of them, or for a training alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from magdr_video.baselines.preparation import prepare_detector, prepare_reconstructor
from magdr_video.baselines.protocol import Material, TrainedReconstructor, translated
from magdr_video.baselines.registry import DETECTORS, RECONSTRUCTORS
from magdr_video.errors import SettingsError, nearest
from magdr_video.loading import load_models
from magdr_video.settings import load_settings, preset_folder
from magdr_video.training.attacked_faces import attack
from magdr_video.training.calibration_faces import Subject
from magdr_video.training.clean_faces import face_files, load_faces
from magdr_video.training.drawn_conditions import draw_conditions
from magdr_video.training.paired import read_recipe

TASKS = ("edit", "reenact", "replace")


@dataclass(frozen=True)
class BaselinesRecipe:
    """How many faces of training identities the baselines learn from."""

    attacked_faces: int = 96
    """Those that are attacked too, with PGD at epsilon 0.05."""
    picture_faces: int = 200
    """Those for what learns from clean pictures alone."""
    seed: int = 1234
    threads: int = 1


def chosen(only: str, subject: Subject) -> list[str]:
    """The baselines that learn, or those of them that `only` names, comma-separated.

    Raises:
        SettingsError: a name is unknown, or that baseline learns nothing.
    """
    learning = list(DETECTORS)
    for name, build in RECONSTRUCTORS.items():
        if isinstance(build(subject.models.translator), TrainedReconstructor):
            learning.append(name)
    wanted = [name.strip() for name in only.split(",") if name.strip()] or learning
    for name in wanted:
        if name not in learning:
            raise SettingsError(
                f"'{name}' is no baseline that learns", hint=nearest(name, learning)
            )
    return wanted


def gather_material(subject: Subject, recipe: BaselinesRecipe, data: Path) -> Material:
    """Training faces, clean and attacked, under drawn conditions.

    Raises:
        FileNotFoundError: the folder has no faces.
    """
    files = face_files(data, held_out=False)
    crops = load_faces(files[: recipe.attacked_faces], subject.size)
    translator = subject.models.translator
    names = translator.record.conditions
    condition = draw_conditions(
        subject.task,
        len(crops),
        names=names,
        driven=torch.zeros(0, len(names)),
        generator=torch.Generator().manual_seed(recipe.seed),
    ).values
    broken = attack(subject.models.translator, crops, condition, recipe.seed)
    clean, attacked = (
        translated(translator.translate, held, condition) for held in (crops, broken)
    )
    pictures = load_faces(files[: recipe.picture_faces], 2 * subject.size)
    return Material(clean, attacked, pictures)


def train(
    task: str, recipe: BaselinesRecipe, *, data: Path, out: Path, only: str = ""
) -> Sequence[str]:
    """Train, or find trained, each baseline; a line for each with its seconds."""
    torch.set_num_threads(recipe.threads)
    settings = load_settings(task=task)
    subject = Subject(settings, load_models(settings))
    names = chosen(only, subject)
    material = gather_material(subject, recipe, data)
    lines = []
    for name in names:
        began = time.process_time()
        prepare = prepare_detector if name in DETECTORS else prepare_reconstructor
        prepare(name, subject.models.translator, material, out)
        lines.append(f"{name}: {time.process_time() - began:.1f} s of computing")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    """Command line of the recipe."""
    parser = argparse.ArgumentParser(description="Train the benchmark's baselines.")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True, help="folder of the trained states")
    parser.add_argument("--only", default="", help="names, comma-separated")
    parser.add_argument(
        "--recipe", type=Path, default=preset_folder() / "training" / "baselines.toml"
    )
    given = parser.parse_args()
    recipe = read_recipe(BaselinesRecipe, given.recipe)
    train(given.task, recipe, data=given.data, out=given.out, only=given.only)


if __name__ == "__main__":
    main()
