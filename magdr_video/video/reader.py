"""Streaming decode: a clip to batches of upright planes with exact times."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from magdr_video.errors import InputError
from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo, best_video, describe
from magdr_video.video.cuts import CutDetector
from magdr_video.video.failures import check_readable, reading, reason_of
from magdr_video.video.frames import (
    PLANAR,
    Orientation,
    orientation_of,
    plane_views,
    to_planar,
)

__all__ = ["ClipInfo", "ClipReader", "probe"]


def probe(path: Path | str) -> ClipInfo:
    """What a clip is, from its headers and its first frame.

    Raises:
        InputError: as `ClipReader`.
    """
    with ClipReader(path) as reader:
        return reader.info


class ClipReader:
    """Decodes a clip once, in order, in memory that does not depend on its length.

    Damaged packets are skipped, and a file that breaks off ends there; both are told in `notes`.

    Args:
        path: the file.
        batch: frames a batch; the last one may be shorter.

    Raises:
        InputError: on entering; missing, a directory, empty, not a video, without a video stream,
            truncated before its index, or without one frame that can be decoded.
    """

    def __init__(self, path: Path | str, *, batch: int = 16) -> None:
        if batch < 1:
            raise ValueError(f"batch is {batch}, must be at least 1")
        self._path = Path(path)
        self._batch = batch
        self._container: InputContainer | None = None
        self._info: ClipInfo | None = None
        self.notes: list[str] = []
        """What a user should know; grows while the clip is read."""
        self._damaged = 0

    def __enter__(self) -> ClipReader:
        check_readable(self._path)
        try:
            with reading(self._path):
                self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def info(self) -> ClipInfo:
        """The clip's description; known once the reader is entered."""
        if self._info is None:
            raise ValueError("the reader is not open; use it in a with statement")
        return self._info

    def close(self) -> None:
        """Close the file; harmless when closed already."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[FrameBatch]:
        """Batches from where reading stands; a second iteration goes on, it does not restart."""
        with reading(self._path):
            yield from _batches(self._frames, self.info, self._upright, self._batch, self.notes)
            if self._damaged:
                self.notes.append(f"{self._damaged} damaged packets of {self._path.name} skipped")

    def _open(self) -> None:
        # An absolute path cannot be taken for a protocol ("a:b.mp4") or an option ("-x.mp4").
        opened = av.open(str(self._path.absolute()), metadata_errors="replace")
        self._container = opened
        stream = best_video(opened)
        if stream is None:
            raise InputError(
                f"{self._path} has no video stream that can be decoded, only: "
                + (", ".join(s.type for s in opened.streams) or "nothing"),
                hint="name a file with a picture",
            )
        stream.codec_context.thread_type = av.codec.context.ThreadType.AUTO
        frames = self._decode(opened, stream)
        first = next(frames, None)
        if first is None:
            raise InputError(
                f"no frame of {self._path} can be decoded", hint="the file is damaged or truncated"
            )
        self._upright = orientation_of(first)
        self._info = describe(self._path, opened, stream, first)
        self.notes.extend(self._info.notes)
        self._frames = _chain(first, frames)

    def _decode(self, container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self.notes.append(f"{self._path.name} breaks off: {reason_of(error)}")
                yield from stream.codec_context.decode(None)
                return
            try:
                frames = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            yield from frames


def _chain(first: av.VideoFrame, rest: Iterator[av.VideoFrame]) -> Iterator[av.VideoFrame]:
    yield first
    yield from rest


class _Timeline:
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


def _batches(
    frames: Iterator[av.VideoFrame],
    info: ClipInfo,
    upright: Orientation,
    size: int,
    notes: list[str],
) -> Iterator[FrameBatch]:
    timeline, cuts = _Timeline(info, notes), CutDetector()
    picture = _Picture(info, upright, notes)
    done = 0
    pending = _Pending(info, size)
    for frame in frames:
        pts, duration = timeline.place(frame)
        luma = picture.copy_into(frame, pending)
        pending.append(pts, duration, cuts.begins_shot(luma, info.bits))
        if pending.count == size:
            yield pending.finish(done)
            done += size
            pending = _Pending(info, size)
    if pending.count:
        yield pending.finish(done)


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

    def append(self, pts: int, duration: int, cut: bool) -> None:
        self._times.append((pts, duration, cut))

    def finish(self, first_index: int) -> FrameBatch:
        count = self.count
        full = count == len(self.planes[0])
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
