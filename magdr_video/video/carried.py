"""Everything of the source but the video, copied packet by packet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Disposition, Stream

from magdr_video.types import StreamNote
from magdr_video.video.clip_info import best_video, note_stream
from magdr_video.video.packets import OUTRUN, FilePackets, PacketSource
from magdr_video.video.stretch import Stretch
from magdr_video.video.target import refusal

OWN_TAGS = ("major_brand", "minor_version", "compatible_brands", "encoder", "duration")
"""Tags that every muxer writes by itself; copies of them would lie."""
STATISTICS = ("bps", "number_of_", "_statistics", "duration")
"""Beginnings of Matroska's counts for a stream, wrong once it is re-encoded or cut."""


class CarriedStreams:
    """Copies audio, subtitles, attachments, chapters and tags of a source into an output.

    Packets are muxed as the video advances, in order of dts, so nothing is held back; all times are
    the source's, less the stretch's shift, which keeps every stream's offset to the video.

    Args:
        source: where packets come from; it may have no video of its own.
        stretch: the part of the source that is kept. Sound is cut between packets, so to 10 or
            20 ms; a subtitle that is shown when the part begins is shortened.
    """

    def __init__(self, source: PacketSource, stretch: Stretch | None = None) -> None:
        self._source = source
        self._input = source.container
        self._stretch = stretch or Stretch()
        self.streams: list[StreamNote] = []
        """Every stream of the source and what becomes of it."""
        self._outputs: dict[int, Stream] = {}
        self._started: set[int] = set()
        self._last_dts: dict[int, int] = {}
        self._next: Packet[Stream] | None = None

    @property
    def notes(self) -> list[str]:
        """What a user should know."""
        return self._source.notes

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
        self.streams = plan_streams(self._input, muxer)
        video = best_video(self._input)
        if video is None:
            add_video()
        for stream, note in zip(self._input.streams, self.streams, strict=True):
            if video is not None and stream.index == video.index:
                _copy_tags(stream, add_video())
            elif note.kept:
                self._add(output, stream)
        output.set_chapters(self._chapters())
        self._source.want([self._input.streams[index] for index in self._outputs])

    def copy_until(self, output: OutputContainer, seconds: Fraction | None) -> None:
        """Mux all packets up to a time of decoding in the output; None is the end."""
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
        """Let go of the source."""
        self._source.close()

    def _add(self, output: OutputContainer, stream: Stream) -> None:
        if isinstance(stream, AttachmentStream):
            name = stream.metadata.get("filename", f"attachment-{stream.index}")
            kind = stream.metadata.get("mimetype", "application/octet-stream")
            output.add_attachment(name, kind, stream.data or b"")
            return
        copy = output.add_stream_from_template(stream, opaque=True)
        _copy_tags(stream, copy)
        self._outputs[stream.index] = copy

    def _chapters(self) -> list[Any]:
        """Those of the stretch, with its times."""
        begin, end = self._stretch.begin, self._stretch.end
        kept = []
        for chapter in self._input.chapters():
            base = chapter["time_base"] or Fraction(1, 1000)
            start, stop = int(chapter["start"]), int(chapter["end"])
            start = start if begin is None else max(start, round(begin / base))
            stop = stop if end is None else min(stop, round(end / base))
            if start < stop or (begin is None and end is None):
                shift = round(self._stretch.shift / base)
                kept.append({**chapter, "start": start - shift, "end": stop - shift})
        return kept

    def _peek(self) -> Packet[Stream] | None:
        """The next packet with a time, in the output's times, without taking it."""
        while self._next is None:
            packet = self._source.take()
            if packet is None:
                return None
            if packet.dts is None:
                packet.dts = packet.pts
            if packet.dts is None:
                continue
            if self._lies_far_behind(packet):
                self._source.want([])
                return None
            if self._is_kept(packet):
                self._shift(packet)
                self._next = packet
        return self._next

    def _lies_far_behind(self, packet: Packet[Stream]) -> bool:
        end = self._stretch.end
        return end is not None and _start_of(packet) > end + OUTRUN

    def _is_kept(self, packet: Packet[Stream]) -> bool:
        """Whether a packet belongs to the stretch; a subtitle is shortened to it."""
        stream = self._input.streams[packet.stream_index]
        if stream.disposition & Disposition.attached_pic:
            return True
        begin, end = self._stretch.begin, self._stretch.end
        if end is not None and _start_of(packet) >= end:
            return False
        if begin is None:
            return True
        if stream.type == "subtitle":
            return _shorten(packet, begin)
        # Another picture can only begin where it depends on nothing before.
        if stream.type == "video" and packet.stream_index not in self._started:
            kept = _start_of(packet) >= begin and packet.is_keyframe
        else:
            kept = stream.type == "video" or _start_of(packet) >= begin
        if kept:
            self._started.add(packet.stream_index)
        return kept

    def _shift(self, packet: Packet[Stream]) -> None:
        stream = self._input.streams[packet.stream_index]
        if self._stretch.shift and not stream.disposition & Disposition.attached_pic:
            ticks = round(self._stretch.shift / packet.time_base)
            packet.dts = None if packet.dts is None else packet.dts - ticks
            packet.pts = None if packet.pts is None else packet.pts - ticks

    def _order(self, packet: Packet[Stream]) -> None:
        """Move a packet that does not come after its forerunner; muxers refuse it otherwise."""
        assert packet.dts is not None
        last = self._last_dts.get(packet.stream_index)
        if last is not None and packet.dts <= last:
            packet.dts = last + 1
            packet.pts = packet.dts if packet.pts is None else max(packet.pts, packet.dts)
        self._last_dts[packet.stream_index] = packet.dts


def planned_streams(path: Path, muxer: str) -> list[StreamNote]:
    """What becomes of each stream of a file in an output of this muxer.

    Raises:
        InputError: the file cannot be opened.
    """
    packets = FilePackets(path)
    try:
        return plan_streams(packets.container, muxer)
    finally:
        packets.close()


def plan_streams(source: InputContainer, muxer: str) -> list[StreamNote]:
    """Every stream of an open clip, and whether an output of this muxer holds it, or why not."""
    video = best_video(source)
    notes = []
    for stream in source.streams:
        note = note_stream(source, stream.index, stream.index)
        if video is not None and stream.index == video.index:
            notes.append(replace(note, reason="re-encoded"))
            continue
        why = _why_dropped(source, muxer, stream)
        notes.append(replace(note, kept=not why, reason=why or "copied"))
    return notes


def _why_dropped(source: InputContainer, muxer: str, stream: Stream) -> str:
    if stream.type == "data" and stream.discard == Discard.all and source.chapters():
        return "a chapter track, written anew"
    return refusal(muxer, stream)


def _start_of(packet: Packet[Stream]) -> Fraction:
    """When a packet is shown or heard, in seconds of the source."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    return (ticks or 0) * packet.time_base


def _shorten(packet: Packet[Stream], begin: Fraction) -> bool:
    """Let a subtitle begin no earlier than `begin`; False where it is over by then."""
    first = round(begin / packet.time_base)
    start = packet.pts if packet.pts is not None else first
    if start >= first:
        return True
    left = start + (packet.duration or 0) - first
    if left <= 0:
        return False
    packet.pts = packet.dts = first
    packet.duration = left
    return True


def _copy_tags(old: Stream, new: Stream) -> None:
    """Language, title, handler and disposition; not what the old encoder said of itself."""
    tags = {
        key: value
        for key, value in old.metadata.items()
        if key.lower() not in OWN_TAGS and not key.lower().startswith(STATISTICS)
    }
    new.metadata.update(tags)
    new.disposition = old.disposition
