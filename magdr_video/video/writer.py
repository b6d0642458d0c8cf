"""Streaming encode: batches to a clip with the source's times, colours and other streams."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from magdr_video.errors import OutputError, RuntimeFailure
from magdr_video.types import FrameBatch, StreamNote
from magdr_video.video.carried import CarriedStreams
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.encoder import EncoderChoice, add_encoder, encodable
from magdr_video.video.failures import writing
from magdr_video.video.frames import PLANAR
from magdr_video.video.target import ISO, default_encoder, muxer_of, target_suffix

__all__ = ["ClipWriter", "target_suffix"]

FINEST_MOVIE_CLOCK = 1_000_000
"""Ticks a second of an MP4's edit lists, at most."""


class ClipWriter:
    """Encodes batches into `target`, which appears only when it is whole.

    Until then the file is called `.<name>.part`; whatever goes wrong removes it. Frames keep their
    pts: MP4 and MOV return them exactly, Matroska and WebM to the millisecond, MPEG-TS to 1/90000 s
    plus an offset common to all streams; `notes` says where times were rounded.

    Args:
        target: the file to write; its extension chooses the container.
        info: the clip that the batches belong to.
        source: a file whose other streams, chapters and tags are copied, without re-encoding.
        vcodec, crf, preset, pix_fmt, options: as `EncoderChoice`.
        metadata: tags of the container, over those of the source.
        overwrite: replace a file that exists.

    Raises:
        OutputError: on entering or at any write; the target exists, is the source, cannot be
            written, or the disk is full.
        SettingsError: on entering; unknown encoder, pixel format or option.
        RuntimeFailure: the encoder fails, or there was no frame to write.
    """

    def __init__(
        self,
        target: Path,
        info: ClipInfo,
        *,
        source: Path | None = None,
        vcodec: str | None = None,
        crf: int | None = None,
        preset: str | None = None,
        pix_fmt: str | None = None,
        options: Mapping[str, str] = MappingProxyType({}),
        metadata: Mapping[str, str] = MappingProxyType({}),
        overwrite: bool = False,
    ) -> None:
        self._target = Path(target)
        self._part = self._target.with_name(f".{self._target.name}.part")
        self._info = info
        self._source = source
        self._choice = EncoderChoice(
            vcodec=vcodec, crf=crf, preset=preset, pix_fmt=pix_fmt, options=options
        )
        self._metadata = metadata
        self._overwrite = overwrite
        self._muxer = muxer_of(self._target)
        self._output: OutputContainer | None = None
        self._carried: CarriedStreams | None = None
        self._last_pts: int | None = None
        self._moved = 0
        self._rounded = False
        self.frames = 0
        """Frames handed to the encoder so far."""
        self.streams: list[StreamNote] = []
        """Streams of the source, kept or dropped with the reason."""
        self.notes: list[str] = []
        """What a user should know of the output."""

    def __enter__(self) -> ClipWriter:
        self._check_target()
        try:
            if self._source is not None:
                self._carried = CarriedStreams(self._source)
            with writing(self._target):
                self._open()
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self._discard()
            return
        try:
            with writing(self._target):
                self._finish()
        except BaseException:
            self._discard()
            raise

    def write(self, batch: FrameBatch) -> None:
        """Encode N frames, and copy the other streams up to where the encoder stands.

        Raises:
            ValueError: the batch's size, format or time base is not the clip's.
        """
        self._check_batch(batch)
        with writing(self._target):
            for index in range(len(batch)):
                self._write_frame(batch, index)

    def _write_frame(self, batch: FrameBatch, index: int) -> None:
        planes = tuple(plane[index] for plane in batch.planes)
        pix_fmt = self._video.codec_context.pix_fmt or batch.pixel_format
        frame = encodable(planes, PLANAR[batch.pixel_format], pix_fmt)
        frame.pts = self._next_pts(int(batch.pts[index]))
        frame.time_base = self._info.time_base
        duration = int(batch.durations[index])
        if duration > 0:
            frame.duration = duration
        self.frames += 1
        self._mux(self._video.encode(frame))

    def _next_pts(self, pts: int) -> int:
        """The frame's own time, or the next tick where it repeats the last one's."""
        if self._last_pts is not None and pts <= self._last_pts:
            pts = self._last_pts + 1
            self._moved += 1
        self._last_pts = pts
        tick = self._video.time_base or self._info.time_base
        self._rounded |= pts % (self._info.time_base / tick).denominator != 0
        return pts

    def _mux(self, packets: list[Packet[Stream]]) -> None:
        assert self._output is not None
        for packet in packets:
            if self._carried is not None and packet.dts is not None:
                self._carried.copy_until(self._output, packet.dts * Fraction(packet.time_base))
            self._output.mux(packet)

    def _open(self) -> None:
        self._output = av.open(
            str(self._part.absolute()),
            "w",
            format=self._muxer,
            container_options=self._container_options(),
        )
        if self._carried is not None:
            self._carried.declare(self._output, self._muxer, self._add_video)
            self.streams = self._carried.streams
            self._output.metadata.update(self._carried.metadata)
        else:
            self._add_video()
        self._output.metadata.update(self._metadata)
        self._output.start_encoding()

    def _add_video(self) -> VideoStream:
        assert self._output is not None
        default = default_encoder(self._muxer, self._info.bits)
        self._video = add_encoder(self._output, self._info, self._choice, default, self.notes)
        return self._video

    def _container_options(self) -> dict[str, str]:
        if self._muxer in ("matroska", "webm"):
            # Encoded sound often begins a little before 0, to be discarded by players. The muxer
            # would move all streams by that, and the video off its times.
            return {"avoid_negative_ts": "disabled"}
        if self._muxer not in ISO:
            return {}
        # MP4 writes a late start in ticks of the movie, by default milliseconds: too coarse.
        clock = self._info.time_base.denominator
        if self._carried is not None:
            every = math.lcm(clock, *(base.denominator for base in self._carried.time_bases))
            clock = every if every <= FINEST_MOVIE_CLOCK else clock
        # Without this flag MP4 drops every tag that iTunes does not know.
        return {"movflags": "use_metadata_tags", "movie_timescale": str(max(clock, 1000))}

    def _finish(self) -> None:
        assert self._output is not None
        if not self.frames:
            raise RuntimeFailure(f"no frame was written to {self._target}")
        self._mux(self._video.encode(None))
        if self._carried is not None:
            self._carried.copy_until(self._output, None)
        tick = self._video.time_base
        self._output.close()
        self._close_source()
        self._check_target()
        self._part.replace(self._target)
        self._output = None
        if self._rounded:
            self.notes.append(f"{self._muxer} rounds times to {tick} s")
        if self._moved:
            self.notes.append(f"{self._moved} frames with the time of another moved by one tick")

    def _close_source(self) -> None:
        if self._carried is not None:
            self.notes.extend(self._carried.notes)
            self._carried.close()
            self._carried = None

    def _discard(self) -> None:
        """Close everything and leave no half-written file behind."""
        if self._output is not None:
            with suppress(av.error.FFmpegError, OSError, ValueError):
                self._output.close()
            self._output = None
        if self._carried is not None:
            self._carried.close()
            self._carried = None
        with suppress(OSError):
            self._part.unlink()

    def _check_target(self) -> None:
        exists = self._target.exists()
        for read in (self._source, self._info.path):
            if exists and read is not None and read.exists() and self._target.samefile(read):
                raise OutputError(f"{self._target} is the input", hint="name another output")
        if self._target.is_dir():
            raise OutputError(f"{self._target} is a directory", hint="name a file in it")
        if self._target.exists() and not self._overwrite:
            raise OutputError(f"{self._target} exists", hint="overwrite it with -y")

    def _check_batch(self, batch: FrameBatch) -> None:
        given = (batch.width, batch.height, batch.pixel_format, batch.time_base)
        info = self._info
        clip = (info.width, info.height, info.pixel_format, info.time_base)
        if given != clip:
            raise ValueError(f"batch is {given}, the clip {clip}")
