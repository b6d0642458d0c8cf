"""Where the packets of a clip's other streams come from: a file of their own, or the reader."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from magdr_video.video.failures import check_readable, reading, reason_of

OUTRUN = 10
"""Seconds that a stream may lie behind the picture in a file, at most, and still be cut exactly."""


def open_input(path: Path) -> InputContainer:
    """Open a file for reading, whatever it is called."""
    # An absolute path cannot be taken for a protocol ("a:b.mp4") or an option ("-x.mp4").
    return av.open(str(path.absolute()), "r", metadata_errors="replace")


class PacketSource(Protocol):
    """An open clip and the packets of some of its streams, in the file's order."""

    notes: list[str]
    """What a user should know; grows while packets are taken."""

    @property
    def container(self) -> InputContainer:
        """The clip, for its streams, chapters and tags."""

    def want(self, streams: Sequence[Stream]) -> None:
        """Name the streams to take packets of, once, before the first `take`."""

    def take(self) -> Packet[Stream] | None:
        """The next packet; None where there is none, or none yet."""

    def close(self) -> None:
        """Let go of the clip."""


class FilePackets:
    """A second, independent pass over a file.

    Raises:
        InputError: the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        check_readable(path)
        self._path = path
        with reading(path):
            self._container = open_input(path)
        self._packets: Iterator[Packet[Stream]] = iter(())
        self.notes: list[str] = []

    @property
    def container(self) -> InputContainer:
        """The clip."""
        return self._container

    def want(self, streams: Sequence[Stream]) -> None:
        """Name the streams to take packets of."""
        if streams:
            self._packets = self._container.demux(*streams)

    def take(self) -> Packet[Stream] | None:
        """The next packet; None at the end, or where the file breaks off."""
        try:
            return next(self._packets, None)
        except av.error.FFmpegError as error:
            self.notes.append(f"{self._path.name} breaks off: {reason_of(error)}")
            self._packets = iter(())
            return None

    def close(self) -> None:
        """Close the file."""
        self._container.close()


class TappedPackets:
    """What the one pass over a pipe meets between the pictures.

    The reader puts packets in, in its thread; the writer takes them out in another. What waits is
    what the reader is ahead by.
    """

    def __init__(self, container: InputContainer) -> None:
        self._container = container
        self._waiting: deque[Packet[Stream]] = deque()
        self._wanted: set[int] | None = None
        self.notes: list[str] = []

    @property
    def container(self) -> InputContainer:
        """The clip; it belongs to the reader."""
        return self._container

    def put(self, packet: Packet[Stream]) -> None:
        """Keep a packet for the writer, if it may be wanted."""
        if self._wanted is None or packet.stream_index in self._wanted:
            self._waiting.append(packet)

    def forget_before(self, seconds: Fraction) -> None:
        """Drop what lies well before the part of the clip that is read."""
        while self._waiting and _time_of(self._waiting[0]) < seconds - OUTRUN:
            self._waiting.popleft()

    def want(self, streams: Sequence[Stream]) -> None:
        """Name the streams to take packets of."""
        self._wanted = {stream.index for stream in streams}

    def take(self) -> Packet[Stream] | None:
        """The next packet; None where the reader has met none since."""
        while self._waiting:
            packet = self._waiting.popleft()
            if self._wanted is None or packet.stream_index in self._wanted:
                return packet
        return None

    def close(self) -> None:
        """Drop what waits; the clip stays the reader's."""
        self._waiting.clear()


def _time_of(packet: Packet[Stream]) -> Fraction:
    """Seconds; packets without a time count as early."""
    ticks = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if ticks is None else ticks * packet.time_base
