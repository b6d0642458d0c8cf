"""Other clips made of one, for the benchmark of speed: larger frames, and more faces in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magdr_video.benchmark.stage_costs import first_frames
from magdr_video.errors import UsageError, nearest
from magdr_video.types import FrameBatch
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter

FULL_HD = (1080, 1920)
"""Height and width."""
CRF = 18

Plane = NDArray[Any]
Paint = Callable[[Plane, tuple[int, int], int], Plane]
"""A plane's frames (N, h, w), the size wanted and the value of black to other frames."""


def in_full_hd(plane: Plane, size: tuple[int, int], black: int) -> Plane:
    """Frames (N, h, w) in the middle of black ones of another size."""
    count, height, width = plane.shape
    out = np.full((count, *size), black, plane.dtype)
    top, left = (size[0] - height) // 2, (size[1] - width) // 2
    out[:, top : top + height, left : left + width] = plane
    return out


def beside_its_mirror(plane: Plane, size: tuple[int, int], black: int) -> Plane:
    """Frames (N, h, w) and their mirror images to the right of them, (N, h, 2 w)."""
    return np.concatenate([plane, plane[:, :, ::-1]], axis=2)


VARIANTS: Mapping[str, Paint] = {"1080p": in_full_hd, "two-faces": beside_its_mirror}
"""By name, how frames are made of those of the clip."""


def require_variants(names: Sequence[str]) -> None:
    """Refuse names of no variant.

    Raises:
        UsageError: a name is not known.
    """
    for name in names:
        if name not in VARIANTS:
            raise UsageError(f"--variants '{name}' is none", hint=nearest(name, VARIANTS))


def make_variant(clip: Path, name: str, folder: Path, limit: int = 0) -> Path:
    """Encode a variant of a clip (H.264, crf 18, no sound) and return its file.

    Args:
        name: one of `VARIANTS`.
        folder: where the file is made.
        limit: frames, rounded up to batches; 0 is all.

    Raises:
        UsageError: an unknown name, or a clip whose frames are larger than the variant's.
    """
    require_variants([name])
    target = folder / f"{clip.stem}-{name}.mkv"
    with ClipReader(clip) as reader:
        info = reader.info
        if name == "1080p":
            height, width = FULL_HD
            if info.height > height or info.width > width:
                raise UsageError(f"{clip} is larger than 1920x1080", hint="drop that variant")
        else:
            height, width = info.height, 2 * info.width
        wanted = replace(info, height=height, width=width)
        with ClipWriter(target, wanted, vcodec="libx264", crf=CRF, overwrite=True) as writer:
            for batch in first_frames(reader, limit):
                writer.write(_painted(batch, VARIANTS[name], (height, width)))
    return target


def _painted(batch: FrameBatch, paint: Paint, size: tuple[int, int]) -> FrameBatch:
    vertical, horizontal = batch.subsampling
    sizes = [size, *[(size[0] >> vertical, size[1] >> horizontal)] * 2]
    black = [0 if batch.colour.full_range else 16 << (batch.bits - 8)]
    black += [1 << (batch.bits - 1)] * 2
    pairs = zip(batch.planes, sizes, black, strict=False)
    return replace(batch, planes=tuple(paint(plane, at, value) for plane, at, value in pairs))
