"""Decoded frames to batches: every frame at its time, upright, in one format and size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.cuts import CutDetector
from magdr_video.video.frames import PLANAR, Orientation, plane_views, to_planar

Placed = tuple[av.VideoFrame, int, int]
"""A frame with its pts and duration, in ticks of the clip."""
MOST_BYTES = 256 * 2**20
"""Of a batch's planes: 16 frames of 4K fit, of 8K five."""


class Timeline:
    """Gives every frame a pts: the decoder's, or one that continues the clip."""

    def __init__(self, info: ClipInfo, notes: list[str]) -> None:
        self._step = max(1, round(1 / (info.average_rate * info.time_base)))
        self._time_base = info.time_base
        self._notes = notes
        self._last: int | None = None
        self._shift = 0
        self._missing = False

    def place(self, frame: av.VideoFrame) -> tuple[int, int]:
        """(pts, duration) in ticks of the clip's time base.

        A missing pts follows the last by one average step. Equal ones are kept. One that goes back
        is a joint of two recordings: what follows is moved to continue the clip.
        """
        duration = int(frame.duration or 0)
        pts = frame.pts
        if pts is not None and frame.time_base and frame.time_base != self._time_base:
            pts = round(Fraction(pts) * frame.time_base / self._time_base)
        expected = 0 if self._last is None else self._last + self._step
        if pts is None:
            self._note_missing()
            pts = expected
        else:
            pts += self._shift
            if self._last is not None and pts < self._last:
                self._notes.append(f"timestamps jump back at {float(pts * self._time_base):.3f} s")
                self._shift += expected - pts
                pts = expected
        self._last = pts
        return pts, duration

    def _note_missing(self) -> None:
        if not self._missing:
            self._notes.append("frames without a timestamp were placed at the average rate")
        self._missing = True


def batches(
    frames: Iterable[Placed],
    info: ClipInfo,
    upright: Orientation,
    sizes: Iterator[int],
    notes: list[str],
) -> Iterator[FrameBatch]:
    """Copy frames into batches of `sizes`, fewer where frames are huge; the last may be shorter."""
    most = _affordable(info)
    cuts = CutDetector()
    picture = _Picture(info, upright, notes)
    done = 0
    pending = _Pending(info, min(next(sizes), most))
    for frame, pts, duration in frames:
        luma = picture.copy_into(frame, pending)
        pending.append(pts, duration, cuts.begins_shot(luma, info.bits))
        if pending.is_full:
            yield pending.finish(done)
            done += pending.count
            pending = _Pending(info, min(next(sizes), most))
    if pending.count:
        yield pending.finish(done)


def _affordable(info: ClipInfo) -> int:
    """Frames of this size that a batch may hold: several batches are in memory at a time."""
    kept = PLANAR[info.pixel_format]
    samples = sum(height * width for height, width in kept.shapes(info.height, info.width))
    return max(1, MOST_BYTES // (samples * np.dtype(kept.dtype).itemsize))


class _Pending:
    """A batch under construction; planes are allocated once and filled in place."""

    def __init__(self, info: ClipInfo, size: int) -> None:
        kept = PLANAR[info.pixel_format]
        self._info = info
        self.planes = [
            np.empty((size, *shape), kept.dtype) for shape in kept.shapes(info.height, info.width)
        ]
        self._times: list[tuple[int, int, bool]] = []

    @property
    def count(self) -> int:
        return len(self._times)

    @property
    def is_full(self) -> bool:
        return self.count == len(self.planes[0])

    def append(self, pts: int, duration: int, cut: bool) -> None:
        self._times.append((pts, duration, cut))

    def finish(self, first_index: int) -> FrameBatch:
        count = self.count
        full = self.is_full
        pts, durations, cut = zip(*self._times, strict=True)
        return FrameBatch(
            # A short last batch is copied, so that it does not hold the memory of a full one.
            planes=tuple(p if full else p[:count].copy() for p in self.planes),
            pts=np.array(pts, np.int64),
            durations=np.array(durations, np.int64),
            time_base=self._info.time_base,
            pixel_format=self._info.pixel_format,
            bits=self._info.bits,
            colour=self._info.colour,
            first_index=first_index,
            cut=np.array(cut, np.bool_),
        )


class _Picture:
    """Turns decoded frames into upright planes of one format and size."""

    def __init__(self, info: ClipInfo, upright: Orientation, notes: list[str]) -> None:
        self._kept = PLANAR[info.pixel_format]
        self._info = info
        self._upright = upright
        self._notes = notes
        size = (info.height, info.width)
        self._coded = size[::-1] if upright.swaps_sides else size
        self._changed = False

    def copy_into(self, frame: av.VideoFrame, pending: _Pending) -> NDArray[Any]:
        """Write the frame's planes behind those in `pending`; returns the upright luma (h, w)."""
        if (frame.height, frame.width) != self._coded and not self._changed:
            self._notes.append(
                f"frames change size from {self._coded[1]}x{self._coded[0]} to "
                f"{frame.width}x{frame.height}; scaled to the first"
            )
            self._changed = True
        planar = to_planar(frame, self._kept, matrix=self._info.colour.matrix, size=self._coded)
        views = plane_views(planar, self._kept)
        for stack, view in zip(pending.planes, views, strict=True):
            stack[pending.count] = self._upright.apply(view)
        luma: NDArray[Any] = pending.planes[0][pending.count]
        return luma
