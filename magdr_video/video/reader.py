"""Streaming decode: a clip to batches of upright planes with exact times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from magdr_video.errors import InputError
from magdr_video.types import FrameBatch
from magdr_video.video.batching import Timeline, batches
from magdr_video.video.clip_info import ClipInfo, best_video, describe
from magdr_video.video.failures import check_readable, reading, reason_of
from magdr_video.video.frames import orientation_of
from magdr_video.video.packets import TappedPackets, open_input
from magdr_video.video.pipes import PipeInput, is_standard
from magdr_video.video.span import WHOLE, Span
from magdr_video.video.stretch import SpanCutter, Stretch

__all__ = ["OPENING", "ClipInfo", "ClipReader", "probe"]

OPENING = (4, 4, 8, 16, 16)
"""Frames of a run's first batches, so that the first frames come out soon. They sum up to batches
of 16 and of 48, and so leave the ends of segments where they are."""

LAG = 1
"""Seconds read on after the last picture of a part, for sound that lies behind it in the file."""


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
        path: the file; '-' is standard input.
        batch: frames a batch; the last one may be shorter.
        opening: frames of the first batches, where they are fewer.
        opening: frames of the first batches, as far as they are smaller; see `OPENING`.
        span: the part to read. It is cut on decoded frames, and its times are moved so that the
            first frame comes when the clip's first frame would have.
        tapped: keep the packets of all other streams in `tap`, for a writer that cannot read the
            clip a second time.

    Raises:
        InputError: on entering; missing, a directory, empty, not a video, without a video stream,
            truncated before its index, or without one frame that can be decoded.
        SettingsError: on entering; the span begins after the last frame, or holds none.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        batch: int = 16,
        span: Span = WHOLE,
        tapped: bool = False,
        opening: Sequence[int] = (),
    ) -> None:
        if batch < 1:
            raise ValueError(f"batch is {batch}, must be at least 1")
        self._path = Path(path)
        self._sizes = chain((min(size, batch) for size in opening), repeat(batch))
        self._span = span
        self._tapped = tapped
        self._pipe: PipeInput | None = None
        self._container: InputContainer | None = None
        self._info: ClipInfo | None = None
        self._packets: Iterator[Packet[Stream]] = iter(())
        self.notes: list[str] = []
        """What a user should know; grows while the clip is read."""
        self.tap: TappedPackets | None = None
        """Packets of the other streams, if they were asked for."""
        self.stretch = Stretch()
        """Where the span fell; `begin` and `shift` are known once the reader is entered."""
        self._damaged = 0

    def __enter__(self) -> ClipReader:
        if not is_standard(self._path):
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

    @property
    def piped_sha256(self) -> str:
        """SHA-256 of standard input; empty for a file, and where it was not read to its end."""
        return self._pipe.sha256 if self._pipe is not None else ""

    def abandon(self) -> None:
        """Want no more: a thread that waits for standard input comes back."""
        if self._pipe is not None:
            self._pipe.close()

    def close(self) -> None:
        """Close the file; harmless when closed already."""
        if self._pipe is not None:
            self._pipe.close()
        if self._container is not None:
            self._container.close()
            self._container = None

    def __iter__(self) -> Iterator[FrameBatch]:
        """Batches from where reading stands; a second iteration goes on, it does not restart."""
        with reading(self._path):
            yield from batches(self._placed, self.info, self._upright, self._sizes, self.notes)
            if self._damaged:
                self.notes.append(f"{self._damaged} damaged packets of {self._path.name} skipped")

    def _open(self) -> None:
        opened = self._container = self._open_container()
        stream = best_video(opened)
        if stream is None:
            raise InputError(
                f"{self._path} has no video stream that can be decoded, only: "
                + (", ".join(s.type for s in opened.streams) or "nothing"),
                hint="name a file with a picture",
            )
        stream.codec_context.thread_type = av.codec.context.ThreadType.AUTO
        self.tap = TappedPackets(opened) if self._tapped else None
        # An empty list of streams stands for all of them.
        self._packets = opened.demux(*([] if self._tapped else [stream]))
        frames = self._decode(stream)
        first = next(frames, None)
        if first is None:
            raise InputError(
                f"no frame of {self._path} can be decoded", hint="the file is damaged or truncated"
            )
        self._upright = orientation_of(first)
        self._info = describe(self._path, opened, stream, first)
        self.notes.extend(self._info.notes)
        timeline = Timeline(self._info, self.notes)
        opening = (first, *timeline.place(first))
        self._info = replace(self._info, first_pts=opening[1])
        placed = chain((opening,), ((frame, *timeline.place(frame)) for frame in frames))
        cutter = SpanCutter(self._span, self._info.time_base, self.stretch)
        self._placed = cutter.cut(placed, self._skip, self._read_on)

    def _open_container(self) -> InputContainer:
        if not is_standard(self._path):
            return open_input(self._path)
        self._pipe = PipeInput()
        try:
            return av.open(self._pipe, "r", metadata_errors="replace")
        except av.error.FFmpegError as error:
            if self._pipe.size:
                raise
            raise InputError(
                f"{self._pipe.name} is empty (0 bytes)", hint="what should have written to it?"
            ) from error

    def _decode(self, stream: VideoStream) -> Iterator[av.VideoFrame]:
        while True:
            try:
                packet = next(self._packets)
            except StopIteration:
                return
            except av.error.FFmpegError as error:
                self.notes.append(f"{self._path.name} breaks off: {reason_of(error)}")
                yield from stream.codec_context.decode(None)
                return
            # The packets that flush a decoder know their stream, but not its number.
            if packet.stream.index != stream.index:
                self._put_by(packet)
                continue
            try:
                frames: list[av.VideoFrame] = packet.decode()  # type: ignore[assignment]
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._damaged += 1
                continue
            yield from frames

    def _put_by(self, packet: Packet[Stream]) -> None:
        if self.tap is not None:
            self.tap.put(packet)

    def _skip(self, seconds: Fraction) -> None:
        """The part begins after this time."""
        if self.tap is not None:
            self.tap.forget_before(seconds)

    def _read_on(self, seconds: Fraction) -> None:
        if self.tap is None:
            return
        video = self.info.video_stream_index
        with suppress(av.error.FFmpegError):
            for packet in self._packets:
                if packet.stream_index != video:
                    self.tap.put(packet)
                elif packet.dts is not None and packet.dts * packet.time_base > seconds + LAG:
                    return
