"""Everything of the source but the video, copied packet by packet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Stream

from magdr_video.types import StreamNote
from magdr_video.video.clip_info import best_video, note_stream
from magdr_video.video.failures import check_readable, reading, reason_of
from magdr_video.video.target import refusal

OWN_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
"""Tags that every muxer writes by itself; copies of them would lie."""
STATISTICS = ("bps", "number_of_", "_statistics", "duration")
"""Beginnings of Matroska's counts for a stream, wrong once it is re-encoded or cut."""


class CarriedStreams:
    """Copies audio, subtitles, attachments, chapters and tags of a source into an output.

    Packets are muxed as the video advances, in order of dts, so nothing is held back; all times are
    the source's, which keeps every stream's offset to the video.

    Args:
        source: the file to copy from; it may have no video of its own.

    Raises:
        InputError: the source cannot be opened.
    """

    def __init__(self, source: Path) -> None:
        check_readable(source)
        self._path = source
        with reading(source):
            self._input: InputContainer = av.open(str(source.absolute()), metadata_errors="replace")
        self.streams: list[StreamNote] = []
        """Every stream of the source and what becomes of it."""
        self.notes: list[str] = []
        self._outputs: dict[int, Stream] = {}
        self._last_dts: dict[int, int] = {}
        self._packets: Iterator[Packet[Stream]] = iter(())
        self._next: Packet[Stream] | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """The container's tags, without those that muxers write themselves."""
        return {k: v for k, v in self._input.metadata.items() if k.lower() not in OWN_TAGS}

    @property
    def time_bases(self) -> list[Fraction]:
        """Of the streams that have times."""
        return [s.time_base for s in self._input.streams if s.time_base]

    def declare(self, output: OutputContainer, muxer: str, add_video: Callable[[], Stream]) -> None:
        """Add every stream that the container can hold, the new video in the old one's place."""
        video = best_video(self._input)
        if video is None:
            add_video()
        for stream in self._input.streams:
            note = note_stream(self._input, stream.index, stream.index)
            if video is not None and stream.index == video.index:
                new = add_video()
                _copy_tags(stream, new)
                self.streams.append(replace(note, reason="re-encoded"))
                continue
            why = self._add(output, muxer, stream)
            self.streams.append(replace(note, kept=not why, reason=why or "copied"))
        output.set_chapters(self._input.chapters())
        if self._outputs:
            wanted = [self._input.streams[index] for index in self._outputs]
            self._packets = self._input.demux(*wanted)

    def copy_until(self, output: OutputContainer, seconds: Fraction | None) -> None:
        """Mux all packets up to a time of decoding; None is the end."""
        while True:
            packet = self._peek()
            if packet is None or packet.dts is None:
                return
            if seconds is not None and packet.dts * packet.time_base > seconds:
                return
            self._next = None
            self._order(packet)
            packet.stream = self._outputs[packet.stream_index]
            output.mux(packet)

    def close(self) -> None:
        """Close the source."""
        self._input.close()

    def _add(self, output: OutputContainer, muxer: str, stream: Stream) -> str:
        """Add one stream; returns why not, or nothing."""
        if stream.type == "data" and stream.discard == Discard.all and self._input.chapters():
            return "a chapter track, written anew"
        why = refusal(muxer, stream)
        if why:
            return why
        if isinstance(stream, AttachmentStream):
            name = stream.metadata.get("filename", f"attachment-{stream.index}")
            kind = stream.metadata.get("mimetype", "application/octet-stream")
            output.add_attachment(name, kind, stream.data or b"")
            return ""
        copy = output.add_stream_from_template(stream, opaque=True)
        _copy_tags(stream, copy)
        self._outputs[stream.index] = copy
        return ""

    def _peek(self) -> Packet[Stream] | None:
        """The next packet with a time, without taking it."""
        while self._next is None:
            try:
                packet = next(self._packets, None)
            except av.error.FFmpegError as error:
                self.notes.append(f"{self._path.name} breaks off: {reason_of(error)}")
                self._packets = iter(())
                return None
            if packet is None:
                return None
            if packet.dts is None:
                packet.dts = packet.pts
            if packet.dts is not None:
                self._next = packet
        return self._next

    def _order(self, packet: Packet[Stream]) -> None:
        """Move a packet that does not come after its forerunner; muxers refuse it otherwise."""
        assert packet.dts is not None
        last = self._last_dts.get(packet.stream_index)
        if last is not None and packet.dts <= last:
            packet.dts = last + 1
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last_dts[packet.stream_index] = packet.dts


def _copy_tags(old: Stream, new: Stream) -> None:
    """Language, title, handler and disposition; not what the old encoder said of itself."""
    tags = {
        key: value
        for key, value in old.metadata.items()
        if key.lower() not in OWN_TAGS and not key.lower().startswith(STATISTICS)
    }
    new.metadata.update(tags)
    new.disposition = old.disposition
