"""Frame batches and faces made in memory, for the tests of this room."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from magdr_video.types import Colour, Faces, FrameBatch

LAYOUTS = {"420": (1, 1), "422": (0, 1), "444": (0, 0)}


def make_batch(
    count: int = 4,
    height: int = 96,
    width: int = 128,
    *,
    layout: str = "420",
    bits: int = 8,
    first: int = 0,
    cuts: tuple[int, ...] = (),
    rate: int = 25,
    seed: int = 0,
    colour: Colour | None = None,
) -> FrameBatch:
    """Noise of every code value, illegal ones included; `cuts` are indices in the clip."""
    rng = np.random.default_rng(seed + first)
    vertical, horizontal = LAYOUTS[layout]
    small = (count, -(-height >> vertical), -(-width >> horizontal))
    kind = np.uint8 if bits == 8 else np.uint16
    shapes = [(count, height, width), small, small]
    numbers = np.arange(first, first + count)
    return FrameBatch(
        planes=tuple(rng.integers(0, 1 << bits, shape).astype(kind) for shape in shapes),
        pts=numbers * (1000 // rate),
        durations=np.full(count, 1000 // rate),
        time_base=Fraction(1, 1000),
        pixel_format=f"yuv{layout}p" + ("" if bits == 8 else f"{bits}le"),
        bits=bits,
        colour=colour or Colour(),
        first_index=first,
        cut=np.isin(numbers, (0, *cuts)),
    )


def make_clip(frames: int, *, size: int = 16, cuts: tuple[int, ...] = ()) -> list[FrameBatch]:
    """Tiny batches of `size` frames, for tests in which the detector is a fake."""
    starts = range(0, frames, size)
    return [make_batch(min(size, frames - start), 8, 8, first=start, cuts=cuts) for start in starts]


SHAPE = np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8)])
"""Five landmarks in the unit box of a made-up face."""


def make_faces(frames: list[int], centres: NDArray[np.floating], side: float) -> Faces:
    """One upright face per entry, all of one size."""
    corner = np.asarray(centres, np.float32) - side / 2
    count = len(frames)
    return Faces(
        frame=np.array(frames, np.int64),
        boxes=np.concatenate([corner, corner + side], 1).astype(np.float32),
        landmarks=(corner[:, None] + SHAPE * side).astype(np.float32),
        scores=np.ones(count, np.float32),
        track=np.arange(count, dtype=np.int64),
        filled=np.zeros(count, np.bool_),
    )
