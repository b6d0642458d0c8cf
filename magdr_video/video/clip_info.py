"""What is known of a clip before its frames are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from magdr_video.types import Colour, StreamNote
from magdr_video.video.frames import PLANAR, is_rgb, nearest_planar, orientation_of

MATRICES = {
    1: "bt709",
    4: "bt601",
    5: "bt601",
    6: "bt601",
    7: "bt709",  # SMPTE 240M: its weights are within 0.001 of BT.709's
    9: "bt2020",
    10: "bt2020",
}
"""Coded matrix (ISO/IEC 23091-2) to the matrix used; others are treated as unspecified."""
CODES = {"bt709": 1, "bt601": 6, "bt2020": 9}
"""The code to write where the input's own cannot stand."""
PQ, HLG = 16, 18
FULL_RANGE = 2
FASTEST = 1000
"""Frames a second that are believed; FFmpeg takes a Matroska from a pipe for 30,000."""


@dataclass(frozen=True)
class ClipInfo:
    """A clip as it will be delivered: upright, planar, with its own timing and colour."""

    path: Path
    format: str
    """FFmpeg's name of the container."""
    width: int
    """As shown: upright, in pixels."""
    height: int
    """As shown: upright, in pixels."""
    time_base: Fraction
    """Seconds per tick of every pts."""
    average_rate: Fraction
    """Frames a second, on average; 25 where nothing is known. Never used for timing."""
    frame_count_hint: int
    """What the container claims; 0 unknown. It may lie."""
    duration: Fraction | None
    """Seconds, as the container claims."""
    pixel_format: str
    """Of the delivered planes, such as 'yuv420p10le'."""
    bits: int
    """Significant bits of a sample: 8, 10 or 12."""
    colour: Colour
    rotation: int = 0
    """Counterclockwise degrees by which decoded pictures were turned: 0, 90, 180, 270."""
    mirrored: bool = False
    """True where decoded pictures were mirrored before the turn."""
    sample_aspect: Fraction = Fraction(1)
    """Width over height of an upright pixel."""
    streams: tuple[StreamNote, ...] = ()
    """All streams of the file; `kept` is True for the video that is read."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """The container's tags."""
    video_stream_index: int = 0
    first_pts: int = 0
    """Of the first frame, in ticks; also of a part, whose times are moved there."""
    hdr: bool = False
    """True for PQ and HLG."""
    codec: str = ""
    """FFmpeg's name of the video codec, such as 'h264'."""
    coded_format: str = ""
    """The decoder's pixel format, before it became planar and upright."""
    notes: tuple[str, ...] = ()
    """What a user should know: guessed colours, converted formats."""

    @staticmethod
    def synthetic(
        width: int, height: int, rate: Fraction | int, *, pixel_format: str = "yuv420p"
    ) -> ClipInfo:
        """A clip that is made, not read: constant rate, 1/90000 s ticks, tagged colours."""
        matrix = matrix_by_height(height)
        code = CODES[matrix]
        return ClipInfo(
            path=Path(),
            format="",
            width=width,
            height=height,
            time_base=Fraction(1, 90000),
            average_rate=Fraction(rate),
            frame_count_hint=0,
            duration=None,
            pixel_format=pixel_format,
            bits=PLANAR[pixel_format].bits,
            colour=Colour(matrix, primaries=code, transfer=code, coded_matrix=code),
        )


def matrix_by_height(height: int) -> str:
    """The usual rule for untagged video: BT.601 up to 576 lines, BT.709 above."""
    return "bt601" if height <= 576 else "bt709"


def best_video(container: InputContainer) -> VideoStream | None:
    """The video stream to read: one marked as default, then the largest, then the first.

    The rule of the ffmpeg command. It sees only what a copy keeps, so that the stream chosen in an
    input is the one chosen in our output. A cover picture counts only where nothing else is.
    """

    def rank(stream: VideoStream) -> tuple[bool, bool, int]:
        size = stream.codec_context.width * stream.codec_context.height
        given = stream.disposition
        return (
            not given & Disposition.attached_pic,
            bool(given & Disposition.default),
            size,
        )

    known = [stream for stream in container.streams.video if stream.codec_context is not None]
    return max(known, key=rank, default=None)


def describe(
    path: Path, container: InputContainer, stream: VideoStream, first: av.VideoFrame
) -> ClipInfo:
    """Everything about an open clip, from its headers and its first decoded frame."""
    upright = orientation_of(first)
    coded = first.format.name
    kept = nearest_planar(coded)
    if upright.swaps_sides and (kept.vertical, kept.horizontal) == (0, 1):
        kept = PLANAR[kept.name.replace("422", "444")]
    colour = colour_of(first, turned=upright.swaps_sides)
    width, height = first.width, first.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if upright.swaps_sides:
        width, height, aspect = height, width, 1 / aspect
    return ClipInfo(
        path=path,
        format=container.format.name,
        width=width,
        height=height,
        time_base=stream.time_base or Fraction(1, 1000),
        average_rate=_rate(stream),
        frame_count_hint=stream.frames,
        duration=_duration(container, stream),
        pixel_format=kept.name,
        bits=kept.bits,
        colour=colour,
        rotation=90 * upright.quarter_turns,
        mirrored=upright.mirrored,
        sample_aspect=aspect,
        streams=tuple(note_stream(container, index, stream.index) for index in _indices(container)),
        metadata=dict(container.metadata),
        video_stream_index=stream.index,
        hdr=colour.transfer in (PQ, HLG),
        codec=stream.codec_context.codec.canonical_name,
        coded_format=coded,
        notes=tuple(_notes(coded, kept.name, colour)),
    )


def colour_of(frame: av.VideoFrame, *, turned: bool = False) -> Colour:
    """Matrix, range and tags of a decoded frame.

    Args:
        frame: as decoded; its height decides where the stream says nothing.
        turned: width and height will change places, so that a player could no longer repeat our
            guess from the height: the guess is then written down as the coded matrix.
    """
    guess = matrix_by_height(frame.height)
    if is_rgb(frame.format.name):
        return Colour(
            guess,
            coded_matrix=CODES[guess],
            primaries=frame.color_primaries,
            transfer=frame.color_trc,
        )
    coded = int(frame.colorspace)
    matrix = MATRICES.get(coded, "bt2020" if frame.color_primaries == 9 else guess)
    guessed = coded not in MATRICES
    full = int(frame.color_range) == FULL_RANGE or frame.format.name.startswith("yuvj")
    return Colour(
        matrix=matrix,
        full_range=full,
        primaries=int(frame.color_primaries),
        transfer=int(frame.color_trc),
        coded_matrix=CODES[matrix] if guessed and turned else coded if coded else 2,
        guessed=guessed,
    )


def note_stream(container: InputContainer, index: int, video_index: int) -> StreamNote:
    """One stream of an open file; kept where it is the video that is read."""
    stream = container.streams[index]
    codec = stream.codec_context.codec.canonical_name if stream.codec_context else "unknown"
    return StreamNote(index, stream.type, codec, kept=index == video_index)


def _indices(container: InputContainer) -> range:
    return range(len(container.streams))


def _duration(container: InputContainer, stream: VideoStream) -> Fraction | None:
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    if container.duration:
        return Fraction(container.duration, av.time_base)
    return None


def _rate(stream: VideoStream) -> Fraction:
    """Frames a second, as far as anything believable is known."""
    known = (rate for rate in (stream.average_rate, stream.guessed_rate) if rate)
    return next((rate for rate in known if rate <= FASTEST), Fraction(25))


def _notes(coded: str, kept: str, colour: Colour) -> list[str]:
    notes = []
    if coded.replace("yuvj", "yuv") != kept:
        notes.append(f"pixels converted from {coded} to {kept}")
    if colour.guessed and not kept.startswith("gray"):
        notes.append(f"untagged colours taken as {colour.matrix}")
    return notes
