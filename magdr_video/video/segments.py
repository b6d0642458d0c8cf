"""A film encoded piece by piece: each piece stands alone, and all join without re-encoding.

A segment is a NUT file: it keeps times in any time base exactly, which Matroska rounds to the
millisecond, and its packets byte for byte as the encoder gave them; players show it as it is.
Every segment has an encoder of its own, so what one holds does not depend on the others.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from magdr_video.errors import OutputError
from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.encoder import EncoderChoice, add_encoder
from magdr_video.video.failures import reading, writing
from magdr_video.video.frame_encoder import FrameClock, FrameEncoder, check_batch
from magdr_video.video.hashing import sha256_of
from magdr_video.video.target import default_encoder, wants_global_header


@dataclass(frozen=True)
class Segment:
    """A whole piece of a film."""

    name: str
    """Of its file."""
    first: int
    """Number of its first frame in the film."""
    pts: tuple[int, ...]
    """Of its packets, in the order of decoding; ticks of the clip."""
    durations: tuple[int, ...]
    """Of its packets; 0 where unknown."""
    sha256: str

    @property
    def end(self) -> int:
        """Number of the first frame after it."""
        return self.first + len(self.pts)

    @property
    def delay(self) -> int:
        """How many frames early a packet may have to be decoded: its B-frames' reach."""
        rank = {pts: place for place, pts in enumerate(sorted(self.pts))}
        return max(place - rank[pts] for place, pts in enumerate(self.pts))


class SegmentWriter:
    """Encodes batches into one segment, which has its name only once it is whole.

    Args:
        path: the segment's file; until it is closed it is called '<name>.part'.
        info: the clip that the batches belong to.
        choice: what is asked of the encoder.
        muxer: the container that the film will go into; decides how the encoder writes headers.
        first: number of the first frame.
        clock: gives frames their times, across segments.

    Raises:
        OutputError: at any call; the disk is full or the folder cannot be written.
        SettingsError, RuntimeFailure: the encoder does not open, or fails.
    """

    def __init__(
        self,
        path: Path,
        info: ClipInfo,
        choice: EncoderChoice,
        *,
        muxer: str,
        first: int,
        clock: FrameClock,
    ) -> None:
        self._path, self._info, self._first = path, info, first
        self._part = path.with_name(f"{path.name}.part")
        self._pts: list[int] = []
        self._durations: list[int] = []
        self.notes: list[str] = []
        """What a user should know of the encoding."""
        with writing(path):
            self._output = _open_nut(self._part)
            try:
                default = default_encoder(muxer, info.bits)
                stream = add_encoder(
                    self._output,
                    info,
                    choice,
                    default,
                    self.notes,
                    global_header=wants_global_header(muxer),
                )
                self._output.start_encoding()
            except BaseException:
                self.discard()
                raise
        self._encoder = FrameEncoder(stream, info, clock)

    @property
    def frames(self) -> int:
        """Frames written so far."""
        return self._encoder.frames

    def write(self, batch: FrameBatch) -> None:
        """Encode N frames."""
        check_batch(batch, self._info)
        with writing(self._path):
            for index in range(len(batch)):
                self._mux(self._encoder.encode(batch, index))

    def close(self) -> Segment:
        """Finish the segment and give it its name."""
        with writing(self._path):
            self._mux(self._encoder.flush())
            self._output.close()
            digest = settle(self._part, self._path)
        return Segment(
            self._path.name, self._first, tuple(self._pts), tuple(self._durations), digest
        )

    def discard(self) -> None:
        """Close the file and remove it."""
        with suppress(av.error.FFmpegError, OSError, ValueError):
            self._output.close()
        with suppress(OSError):
            self._part.unlink()

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            assert packet.pts is not None
            # An encoder may use finer ticks of its own.
            scale = Fraction(packet.time_base) / self._info.time_base
            self._pts.append(round(packet.pts * scale))
            self._durations.append(round((packet.duration or 0) * scale))
            self._output.mux(packet)


def settle(part: Path, path: Path) -> str:
    """Make a file lasting and give it its name; its SHA-256."""
    digest = sha256_of(part)
    with part.open("r+b") as held:
        os.fsync(held.fileno())
    part.replace(path)
    return digest


def join(folder: Path, segments: Sequence[Segment], time_base: Fraction) -> Iterator[Packet[Any]]:
    """The packets of all segments as one stream.

    Times of decoding are made anew: the k-th packet is decoded when the (k - delay)-th frame is
    shown, which rises throughout, joints included, and never lies after the packet's own frame.

    Args:
        folder: where the segments lie.
        segments: in order, without gaps; at least one.
        time_base: of their times.

    Raises:
        InputError: a segment cannot be read.
        OutputError: a segment is not what was written.
    """
    delay = max(segment.delay for segment in segments)
    opening = sorted(segments[0].pts)[:2]
    step = opening[1] - opening[0] if len(opening) > 1 else 1
    turns = deque(opening[0] - step * early for early in range(delay, 0, -1))
    for segment in segments:
        turns.extend(sorted(segment.pts))
        packets = _packets(folder / segment.name, len(segment.pts))
        for packet, pts, duration in zip(packets, segment.pts, segment.durations, strict=True):
            packet.time_base = time_base
            packet.pts, packet.dts, packet.duration = pts, turns.popleft(), duration
            yield packet


def _packets(path: Path, wanted: int) -> Iterator[Packet[Any]]:
    with reading(path), av.open(str(path.absolute()), "r", format="nut") as held:
        count = 0
        for packet in held.demux(video=0):
            if packet.size:
                count += 1
                yield packet
    if count != wanted:
        raise OutputError(
            f"segment {path} holds {count} packets, {wanted} were written",
            hint="begin anew with -y, without --resume",
        )


def _open_nut(path: Path) -> OutputContainer:
    return av.open(str(path.absolute()), "w", format="nut")
