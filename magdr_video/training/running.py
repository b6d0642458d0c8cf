"""The options that trainings of networks share, their run, and that of a module by itself."""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from PIL import Image

from magdr_video.device import choose_device
from magdr_video.errors import MagdrError, OutputError, UsageError, describe
from magdr_video.training.loop import Trainable, fit
from magdr_video.training.paired import read_recipe

RecipeT = TypeVar("RecipeT")


@dataclass(frozen=True)
class Place:
    """Where a training reads, writes and computes.

    Attributes:
        data: the folder that holds the faces.
        out: home of caches, checkpoint, sheets and weights.
        device: of the network.
        workers: processes that draw batches ahead; 0 draws between the steps.
    """

    data: Path
    out: Path
    device: torch.device
    workers: int = 0


class Drawing(Trainable, Protocol):
    """A trainable whose batches other processes may draw."""

    def close(self) -> None:
        """Let go of the processes that draw."""


def tell(line: str) -> None:
    """Say a line at once, to a pipe as to a terminal."""
    print(line, flush=True)


def run_steps(
    training: Drawing, *, steps: int, batch: int, folder: Path, save_every: int = 250
) -> None:
    """`loop.fit` with its progress told, after which nobody draws any more, whatever happened."""
    try:
        fit(training, steps=steps, batch=batch, folder=folder, save_every=save_every, report=tell)
    finally:
        training.close()


def set_up(device: torch.device, threads: int) -> None:
    """Threads on a CPU; on a GPU the fastest convolutions of the shapes, which never change."""
    if device.type == "cpu":
        torch.set_num_threads(threads)
    else:
        torch.backends.cudnn.benchmark = True


REFUSED = (
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EEXIST, errno.ENOTDIR,
    errno.EISDIR,
)  # fmt: skip
"""What the disk says where there is no room, where it may not be written or read, and where a file
lies in the place of a folder."""


def run_told(main: Callable[[], None]) -> None:
    """Run the `main` of a module.

    Raises:
        OutputError: the disk refused.
    """
    try:
        main()
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        place = error.filename or "a file"
        hint = "free some space, or choose a folder that you may read and write"
        raise OutputError(f"{place}: {error.strerror}", hint=hint) from error


def run_alone(main: Callable[[], None]) -> None:
    """Run the `main` of a module as the program does: an error is one line, a hint and its code."""
    try:
        run_told(main)
    except MagdrError as error:
        print(describe(error), file=sys.stderr)
        sys.exit(error.exit_code)


def make_folder(option: str, folder: Path) -> None:
    """Make a folder that a training writes to, before anything is computed.

    Raises:
        OutputError: it cannot be made, or a file lies there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{option} {folder}: {error.strerror}", hint="name a folder") from error


def require_picture(option: str, path: Path) -> None:
    """Refuse a file that no picture can be written to, before anything is computed.

    Raises:
        OutputError: its folder is not there, it is a folder, or its ending is not a picture's.
    """
    if not path.parent.is_dir():
        raise OutputError(f"{option} {path}: there is no such folder", hint="make it first")
    if path.is_dir():
        raise OutputError(f"{option} {path} is a folder", hint="name a file in it")
    if Image.registered_extensions().get(path.suffix.lower()) not in Image.SAVE:
        raise OutputError(f"{option} {path} is no picture's name", hint="end it in .jpg or .png")


def run_training(
    about: str | None,
    kind: type[RecipeT],
    preset: str,
    train: Callable[[RecipeT, Place], None],
) -> None:
    """Read the command line of a training and run it.

    Args:
        about: the description that `--help` shows.
        kind: of the recipe.
        preset: the recipe's file where `--recipe` names none.
        train: takes the recipe and the place.
    """
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the faces")
    parser.add_argument("--out", type=Path, required=True, help="home of checkpoint and weights")
    parser.add_argument("--recipe", type=Path, default=Path(preset), help=f"default {preset}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--workers", type=int, default=0, help="processes that draw ahead")
    given = parser.parse_args()
    if given.workers < 0:
        raise UsageError(f"--workers {given.workers}", hint="0 draws between the steps")
    device = choose_device(given.device)
    make_folder("--out", given.out)
    train(read_recipe(kind, given.recipe), Place(given.data, given.out, device, given.workers))
