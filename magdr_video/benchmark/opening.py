"""Data sets by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from magdr_video.benchmark.celeba import CelebA
from magdr_video.benchmark.datasets import DataSet
from magdr_video.benchmark.drawn_faces import DrawnFaces
from magdr_video.benchmark.face_folder import FaceFolder
from magdr_video.benchmark.faceforensics import FaceForensics
from magdr_video.benchmark.synthetic_faces import SyntheticFaces
from magdr_video.errors import UsageError, nearest

DATASETS: Mapping[str, Callable[[Path], DataSet]] = {
    "synthetic": SyntheticFaces,
    "celeba": CelebA,
    "faceforensics": FaceForensics,
    "folder": FaceFolder,
    "drawn": lambda _: DrawnFaces(),
}
"""The sets by name; the path is ignored by the one that is drawn."""


def open_dataset(name: str, root: Path) -> DataSet:
    """The named set, its layout checked.

    Raises:
        UsageError: there is no such set.
        InputError: the folder is not laid out as the set is; the hint says where to get it.
    """
    if name not in DATASETS:
        raise UsageError(f"there is no data set '{name}'", hint=nearest(name, DATASETS))
    return DATASETS[name](root)
