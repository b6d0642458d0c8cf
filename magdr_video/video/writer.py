"""Streaming encode: batches to a clip with the source's times, colours and other streams."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from magdr_video.errors import RuntimeFailure
from magdr_video.types import FrameBatch, StreamNote
from magdr_video.video.carried import CarriedStreams
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.encoder import EncoderChoice, add_encoder
from magdr_video.video.failures import writing
from magdr_video.video.frame_encoder import FrameClock, FrameEncoder, check_batch
from magdr_video.video.packets import FilePackets, PacketSource
from magdr_video.video.pipes import PipeOutput
from magdr_video.video.placement import FilePlace, PipePlace
from magdr_video.video.stretch import Stretch
from magdr_video.video.target import ISO, MUXERS, default_encoder, muxer_of, target_suffix

__all__ = ["ClipWriter", "target_suffix"]

FINEST_MOVIE_CLOCK = 1_000_000
"""Ticks a second of an MP4's edit lists, at most."""
FRAGMENTED = "+frag_keyframe+empty_moov+default_base_moof"
"""MP4 that is written without going back: an index for every group of pictures."""


class ClipWriter:
    """Encodes batches into `target`, which appears only when it is whole.

    Until then the file is called `.<name>.part`; whatever goes wrong removes it. A pipe gets the
    film as it is made. Frames keep their
    pts: MP4 and MOV return them exactly, Matroska and WebM to the millisecond, MPEG-TS to 1/90000 s
    plus an offset common to all streams; `notes` says where times were rounded.

    Args:
        target: the file to write, its extension chooses the container; or a pipe.
        info: the clip that the batches belong to.
        source: whose other streams, chapters and tags are copied, without re-encoding: a file, or
            the packets that a reader taps.
        stretch: the part of the source that the batches are; all of it where None.
        muxer: FFmpeg's name of the container, over the extension; Matroska for a pipe.
        vcodec, crf, preset, pix_fmt, options: as `EncoderChoice`.
        metadata: tags of the container, over those of the source.
        overwrite: replace a file that exists.

    Raises:
        OutputError: on entering or at any write; the target exists, is the source, cannot be
            written, or the disk is full.
        SettingsError: on entering; unknown encoder, pixel format or option.
        RuntimeFailure: the encoder fails, or there was no frame to write.
        ClosedPipe: at any write; nobody reads the pipe any more.
    """

    def __init__(
        self,
        target: Path | PipeOutput,
        info: ClipInfo,
        *,
        source: Path | PacketSource | None = None,
        stretch: Stretch | None = None,
        muxer: str | None = None,
        vcodec: str | None = None,
        crf: int | None = None,
        preset: str | None = None,
        pix_fmt: str | None = None,
        options: Mapping[str, str] = MappingProxyType({}),
        metadata: Mapping[str, str] = MappingProxyType({}),
        overwrite: bool = False,
    ) -> None:
        inputs = [path for path in (source, info.path) if isinstance(path, Path)]
        self._place = (
            PipePlace(target)
            if isinstance(target, PipeOutput)
            else FilePlace(Path(target), overwrite=overwrite, inputs=inputs)
        )
        self._info = info
        self._source = source
        self._stretch = stretch
        self._choice = EncoderChoice(
            vcodec=vcodec, crf=crf, preset=preset, pix_fmt=pix_fmt, options=options
        )
        self._metadata = metadata
        self._muxer = muxer or muxer_of(self._place.path)
        self._output: OutputContainer | None = None
        self._carried: CarriedStreams | None = None
        self._clock = FrameClock()
        self._rounded = False
        self._encoded = self._abandoned = False
        self.frames = 0
        """Frames written so far."""
        self.streams: list[StreamNote] = []
        """Streams of the source, kept or dropped with the reason."""
        self.notes: list[str] = []
        """What a user should know of the output."""

    def __enter__(self) -> ClipWriter:
        self._place.check()
        try:
            if self._source is not None:
                packets = self._source
                packets = FilePackets(packets) if isinstance(packets, Path) else packets
                self._carried = CarriedStreams(packets, self._stretch)
            with writing(self._place.path):
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
        if error is not None or self._abandoned:
            self._discard()
            return
        try:
            with writing(self._place.path):
                self._finish()
        except BaseException:
            self._discard()
            raise

    @property
    def path(self) -> Path:
        """Where the film will be."""
        return self._place.path

    def abandon(self) -> None:
        """Write nothing after all: what can fail before the first frame has been tried."""
        self._abandoned = True

    def settle_at(self, path: Path) -> None:
        """Let the film appear under another name, as one that is not whole must; not in a pipe."""
        self._place.rename(path)

    def write(self, batch: FrameBatch) -> None:
        """Encode N frames, and copy the other streams up to where the encoder stands.

        Raises:
            ValueError: the batch's size, format or time base is not the clip's.
        """
        check_batch(batch, self._info)
        with writing(self._place.path):
            for index in range(len(batch)):
                self._mux(self._encoder.encode(batch, index))
                self.frames += 1

    def write_packets(self, packets: Iterable[Packet[Any]]) -> None:
        """Add frames that are encoded already, by the encoder that this writer would use."""
        self._encoded = True
        with writing(self._place.path):
            for packet in packets:
                packet.stream = self._video
                self._mux([packet])
                self.frames += 1

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        assert self._output is not None
        for packet in packets:
            self._note_rounding(packet)
            if self._carried is not None and packet.dts is not None:
                self._carried.copy_until(self._output, packet.dts * Fraction(packet.time_base))
            self._output.mux(packet)

    def _note_rounding(self, packet: Packet[Any]) -> None:
        tick = self._video.time_base
        if packet.pts is not None and tick:
            self._rounded |= packet.pts % (packet.time_base / tick).denominator != 0

    def _open(self) -> None:
        self._output = av.open(
            self._place.destination,
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
        suffix = self._place.path.suffix
        if isinstance(self._place, FilePlace) and suffix.lower() not in MUXERS:
            self.notes.append(f"'{suffix}' names no container with exact times: it is Matroska")

    def _add_video(self) -> VideoStream:
        assert self._output is not None
        default = default_encoder(self._muxer, self._info.bits)
        self._video = add_encoder(self._output, self._info, self._choice, default, self.notes)
        self._encoder = FrameEncoder(self._video, self._info, self._clock)
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
        flags = "use_metadata_tags"
        if isinstance(self._place, PipePlace):
            flags += FRAGMENTED
        return {"movflags": flags, "movie_timescale": str(max(clock, 1000))}

    def _finish(self) -> None:
        assert self._output is not None
        if not self.frames:
            raise RuntimeFailure(f"no frame was written to {self._place.path}")
        if not self._encoded:
            self._mux(self._encoder.flush())
        if self._carried is not None:
            self._carried.copy_until(self._output, None)
        tick = self._video.time_base
        self._output.close()
        self._close_source()
        self._place.settle()
        self._output = None
        if self._rounded:
            self.notes.append(f"{self._muxer} rounds times to {tick} s")
        if self._clock.moved:
            self.notes.append(self._clock.note)

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
        self._place.discard()
