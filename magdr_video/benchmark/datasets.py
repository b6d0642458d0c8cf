"""Data sets of the benchmark: what they hold, how they are split, and how a split is pinned down.

Every set is divided by identity into train, validation and test, by the official lists where
there are such. A split is a list of names with a SHA-256, so that two runs can prove that they
saw the same faces.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magdr_video.errors import InputError, UsageError, nearest

SPLITS = ("train", "validation", "test")

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
CLIP_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".mpg", ".mpeg", ".webm")


@dataclass(frozen=True)
class Item:
    """One image or clip of a data set."""

    name: str
    """Unique in the set and the same on every machine: a relative path, POSIX."""
    path: Path
    """Where it lies; of a drawn face, where it would."""
    identity: str
    attributes: Mapping[str, bool] = field(default_factory=dict)
    """What is known of it, such as CelebA's 40 attributes; often nothing."""
    manipulation: str = ""
    """How it was forged (FaceForensics++); empty for a genuine one."""


class DataSet(Protocol):
    """Images or clips in three identity-disjoint splits, and the faces that they show."""

    name: str
    about: str
    """Source and terms, one line."""
    holds: str
    """'images' or 'clips'."""
    smoke: bool
    """True when its figures prove that the program runs and nothing else."""

    def items(self, split: str) -> tuple[Item, ...]:
        """The split's items in a fixed order.

        Raises:
            UsageError: there is no such split.
            InputError: files that the split names are missing.
        """

    def images(self, items: Sequence[Item], size: int) -> Tensor:
        """Aligned faces of items, one each: (F, 3, size, size) float32 RGB in [0, 1]."""


def check_split(split: str) -> str:
    """The split itself.

    Raises:
        UsageError: it is none of `SPLITS`.
    """
    if split not in SPLITS:
        raise UsageError(f"there is no split '{split}'", hint=nearest(split, SPLITS))
    return split


def list_text(data: DataSet, split: str) -> str:
    """The list file of a split: how it was made, then one name a line."""
    items = data.items(split)
    head = f"# {data.name}, {split}: {len(items)} {data.holds}. {data.about}"
    return "\n".join([head, *(item.name for item in items), ""])


def list_hash(items: Sequence[Item]) -> str:
    """SHA-256 of the names, one a line, in the order of the list."""
    return hashlib.sha256("\n".join(item.name for item in items).encode()).hexdigest()


def item_hashes(items: Sequence[Item]) -> tuple[str, ...]:
    """SHA-256 of each file; a drawn face has none and counts by its name."""
    held = (i.path.read_bytes() if i.path.is_file() else i.name.encode() for i in items)
    return tuple(hashlib.sha256(data).hexdigest() for data in held)


def hash_of_hashes(sums: Sequence[str]) -> str:
    """SHA-256 of the sorted SHA-256 of files: the bytes, whatever they are called."""
    return hashlib.sha256("\n".join(sorted(sums)).encode()).hexdigest()


def shared_identities(data: DataSet) -> dict[tuple[str, str], int]:
    """How many identities two splits have in common, for each pair that has any."""
    seen = {split: {item.identity for item in data.items(split)} for split in SPLITS}
    pairs = [(a, b) for i, a in enumerate(SPLITS) for b in SPLITS[i + 1 :]]
    return {(a, b): len(seen[a] & seen[b]) for a, b in pairs if seen[a] & seen[b]}


def read_image(path: Path, size: int, *, crop: int | None = None) -> Tensor:
    """(3, size, size) float32 in [0, 1], reduced by area or enlarged bilinearly.

    Args:
        crop: side in pixels of the centre that is kept; without it the largest square.

    Raises:
        InputError: the file is no image.
    """
    try:
        with Image.open(path) as held:
            picture = held.convert("RGB")
    except OSError as error:
        raise InputError(f"{path} cannot be read as an image: {error}") from error
    side = min(crop or min(picture.size), *picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    how = Image.Resampling.BOX if side >= size else Image.Resampling.BILINEAR
    levels = np.asarray(square.resize((size, size), how))
    return torch.from_numpy(levels.copy()).permute(2, 0, 1).float() / 255


def stack_images(items: Sequence[Item], size: int, *, crop: int | None = None) -> Tensor:
    """(F, 3, size, size) of the items' files; (0, 3, size, size) of none."""
    if not items:
        return torch.zeros(0, 3, size, size)
    return torch.stack([read_image(item.path, size, crop=crop) for item in items])


def missing(what: Sequence[str], name: str, root: Path, *, source: str) -> InputError:
    """The error that names what a folder lacks and where it is to be had."""
    first = ", ".join(what[:3])
    more = f" and {len(what) - 3} more" if len(what) > 3 else ""
    return InputError(f"{root} is no {name} folder: it lacks {first}{more}", hint=source)
