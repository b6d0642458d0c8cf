"""Any folder of face images, or of clips."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from torch import Tensor

from magdr_video.benchmark.clip_faces import faces_of_clips
from magdr_video.benchmark.datasets import (
    CLIP_SUFFIXES,
    IMAGE_SUFFIXES,
    SPLITS,
    Item,
    check_split,
    stack_images,
)
from magdr_video.errors import InputError

TENTHS = {"train": range(0, 6), "validation": range(6, 8), "test": range(8, 10)}
"""Which tenths of the identities go where."""


def split_of(identity: str) -> str:
    """The split of an identity, from its SHA-256: stable when files are added or removed."""
    tenth = int(hashlib.sha256(identity.encode()).hexdigest(), 16) % 10
    return next(split for split in SPLITS if tenth in TENTHS[split])


class FaceFolder:
    """Images or clips under a folder, searched recursively.

    The identity is the subfolder that a file lies in, or its own stem at the top: photographs of
    one person belong in one subfolder, or the splits will not be disjoint.

    Args:
        root: the folder.

    Raises:
        InputError: it does not exist, holds neither images nor clips, or holds both.
    """

    name = "folder"
    smoke = False

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root} is no folder", hint="give a folder of face images or clips")
        files = sorted(path for path in root.rglob("*") if path.is_file())
        images = [path for path in files if path.suffix.lower() in IMAGE_SUFFIXES]
        clips = [path for path in files if path.suffix.lower() in CLIP_SUFFIXES]
        allowed = ", ".join(IMAGE_SUFFIXES + CLIP_SUFFIXES)
        if not images and not clips:
            raise InputError(f"{root} holds no image and no clip", hint=f"looked for: {allowed}")
        if images and clips:
            raise InputError(
                f"{root} holds both {len(images)} images and {len(clips)} clips",
                hint="put images and clips into folders of their own",
            )
        self.root = root
        self.holds = "images" if images else "clips"
        self.about = f"files of {root.name}, split by SHA-256 of the identity"
        self._files = images or clips

    @cached_property
    def _items(self) -> tuple[Item, ...]:
        items = []
        for path in self._files:
            name = path.relative_to(self.root)
            identity = name.parts[0] if len(name.parts) > 1 else name.stem
            items.append(Item(name.as_posix(), path, identity))
        return tuple(items)

    def items(self, split: str) -> tuple[Item, ...]:
        """The split's files by name; a small folder may leave a split empty.

        Raises:
            UsageError: there is no such split.
        """
        check_split(split)
        return tuple(item for item in self._items if split_of(item.identity) == split)

    def images(self, items: Sequence[Item], size: int) -> Tensor:
        """The largest centred square of each image, or a face of each clip.

        Returns:
            (F, 3, size, size) in [0, 1].
        """
        return (stack_images if self.holds == "images" else faces_of_clips)(items, size)
