"""Batches through an open encoder: every frame at its own time, none lost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream

from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.encoder import encodable
from magdr_video.video.frames import PLANAR


@dataclass
class FrameClock:
    """Hands out times that rise; it outlives an encoder where a film is encoded in segments."""

    last: int | None = None
    """The last pts handed out."""
    moved: int = 0
    """Frames that had the time of another."""

    @property
    def note(self) -> str:
        """What a user should know of the moved frames."""
        return f"{self.moved} frames with the time of another moved by one tick"

    def next(self, pts: int) -> int:
        """The frame's own time, or the next tick where it repeats the last one's."""
        if self.last is not None and pts <= self.last:
            pts = self.last + 1
            self.moved += 1
        self.last = pts
        return pts

    def place(self, batch: FrameBatch) -> FrameBatch:
        """The batch with times that rise; its planes are shared."""
        times = [self.next(pts) for pts in batch.pts.tolist()]
        return replace(batch, pts=np.array(times, np.int64))


class FrameEncoder:
    """Feeds one encoder.

    Args:
        stream: with its encoder open.
        info: the clip that the batches belong to.
        clock: gives the frames their times.
    """

    def __init__(self, stream: VideoStream, info: ClipInfo, clock: FrameClock) -> None:
        self._stream, self._info, self._clock = stream, info, clock
        self.frames = 0
        """Frames handed to the encoder so far."""

    def encode(self, batch: FrameBatch, index: int) -> list[Packet[VideoStream]]:
        """Hand over one frame of a batch; the packets that are ready."""
        planes = tuple(plane[index] for plane in batch.planes)
        pix_fmt = self._stream.codec_context.pix_fmt or batch.pixel_format
        frame = encodable(planes, PLANAR[batch.pixel_format], pix_fmt)
        frame.pts = self._clock.next(int(batch.pts[index]))
        frame.time_base = self._info.time_base
        duration = int(batch.durations[index])
        if duration > 0:
            frame.duration = duration
        self.frames += 1
        return self._stream.encode(frame)

    def flush(self) -> list[Packet[VideoStream]]:
        """The packets that the encoder still holds."""
        return self._stream.encode(None)


def check_batch(batch: FrameBatch, info: ClipInfo) -> None:
    """Refuse a batch that is not the clip's.

    Raises:
        ValueError: its size, format or time base differs.
    """
    given = (batch.width, batch.height, batch.pixel_format, batch.time_base)
    clip = (info.width, info.height, info.pixel_format, info.time_base)
    if given != clip:
        raise ValueError(f"batch is {given}, the clip {clip}")
