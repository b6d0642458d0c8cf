"""The video encoder of an output: its choice, its settings, its fall-back."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from magdr_video.errors import RuntimeFailure, SettingsError, nearest
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.failures import reason_of
from magdr_video.video.frames import PLANAR, PlanarFormat, Planes, to_frame

HARDWARE = ("nvenc", "qsv", "vaapi", "amf", "videotoolbox", "v4l2m2m", "vulkan", "mf")
SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
"""The encoder that stands in where hardware cannot open, by the family in its name."""

ODD_SIZES = ("libvpx", "libvpx-vp9", "libaom-av1", "ffv1", "huffyuv", "ffvhuff", "rawvideo")
"""Encoders that take odd sizes with reduced chroma; all others get 4:4:4 there."""

HAS_PRESET = ("libx264", "libx265", "libsvtav1", "nvenc", "qsv")
CRF_OPTION = {"nvenc": "cq", "qsv": "global_quality", "vaapi": "qp", "amf": "qp_i"}
CRF = 18
RATE_OPTIONS = {"b", "qp", "cq", "global_quality", "lossless"}
"""Options of the user that replace our constant quality."""


@dataclass(frozen=True, kw_only=True)
class EncoderChoice:
    """What the user asked of the encoder; None leaves it to us."""

    vcodec: str | None = None
    """FFmpeg's name of an encoder, such as 'libx264'."""
    crf: int | None = None
    """Constant quality; 18 where None. Smaller is better."""
    preset: str | None = None
    """The encoder's own speed preset; its default where None."""
    pix_fmt: str | None = None
    """FFmpeg's pixel format; the source's where None."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Any further option of the encoder."""


def add_encoder(
    output: OutputContainer,
    info: ClipInfo,
    choice: EncoderChoice,
    default: str,
    notes: list[str],
    *,
    global_header: bool | None = None,
) -> VideoStream:
    """Add the video stream to `output` and open its encoder.

    Args:
        output: a container whose header is not written yet.
        info: the clip that will be encoded.
        choice: what the user asked for.
        default: the encoder where the user asked for none.
        notes: is told what a user should know.
        global_header: put the encoder's headers into the container, or into the stream; None does
            as `output` wants, which is wrong where packets go on into another container.

    A hardware encoder that cannot open is replaced by the software one of its family, and `notes`
    says so.

    Raises:
        SettingsError: an unknown encoder, pixel format or encoder option.
        RuntimeFailure: the encoder does not open.
    """
    name = choice.vcodec or default
    family, _, kind = name.partition("_")
    if kind in HARDWARE and family in SOFTWARE:
        reason = _why_it_fails(info, name, choice)
        if reason:
            name = SOFTWARE[family]
            choice = replace(choice, preset=None, pix_fmt=None, options={})
            notes.append(f"{family}_{kind} cannot be used here ({reason}); {name} instead")
    stream = _add(output, info, name, choice)
    if global_header is not None:
        flags = stream.codec_context.flags & ~Flags.global_header
        stream.codec_context.flags = flags | (Flags.global_header if global_header else 0)
    _open(stream, name)
    coded = stream.codec_context.pix_fmt or info.pixel_format
    if coded != info.pixel_format:
        notes.append(f"encoded as {coded}, since {name} cannot take {info.pixel_format} here")
    return stream


def rehearse(info: ClipInfo, choice: EncoderChoice, muxer: str, default: str) -> list[str]:
    """Open the encoder for a container without writing anything; what a user should know of it.

    Raises:
        SettingsError, RuntimeFailure: as `add_encoder`.
    """
    notes: list[str] = []
    with av.open(io.BytesIO(), "w", format=muxer) as trial:
        add_encoder(trial, info, choice, default, notes)
    return notes


def encodable(planes: Planes, source: PlanarFormat, pix_fmt: str) -> av.VideoFrame:
    """Planes (h, w) as a frame that the encoder takes.

    Where only chroma gains resolution (an odd size that must be 4:4:4, grey as YUV) luma is kept
    bit by bit and chroma interpolated as players do it; all else is left to swscale.
    """
    wanted = PLANAR.get(pix_fmt)
    if wanted is None or wanted.bits != source.bits or (wanted.grey and not source.grey):
        return to_frame(planes, source).reformat(format=pix_fmt)
    height, width = planes[0].shape
    shapes = wanted.shapes(height, width)
    if source.grey and not wanted.grey:
        neutral = np.asarray(1 << (source.bits - 1), source.dtype)
        return to_frame((planes[0], *(np.broadcast_to(neutral, s) for s in shapes[1:])), wanted)
    down = wanted.vertical > source.vertical or wanted.horizontal > source.horizontal
    if down:
        return to_frame(planes, source).reformat(format=pix_fmt)
    return to_frame(tuple(map(_finer, planes, shapes)), wanted)


def _finer(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """A plane (h, w) with up to twice the rows and columns, linearly interpolated.

    Convention: columns of chroma lie on every other column of luma, rows between two rows of luma,
    as MPEG-2 and H.264 have it where nothing else is said.
    """
    wide = plane.astype(np.int32)
    if shape[0] != plane.shape[0]:
        above, below = np.vstack([wide[:1], wide[:-1]]), np.vstack([wide[1:], wide[-1:]])
        both = np.stack([(3 * wide + above + 2) // 4, (3 * wide + below + 2) // 4], axis=1)
        wide = both.reshape(-1, plane.shape[1])
    if shape[1] != plane.shape[1]:
        right = np.hstack([wide[:, 1:], wide[:, -1:]])
        wide = np.stack([wide, (wide + right + 1) // 2], axis=2).reshape(len(wide), -1)
    return wide[: shape[0], : shape[1]].astype(plane.dtype)


def fitting_format(name: str, info: ClipInfo) -> str:
    """The pixel format of an encoder that loses least of the clip's.

    Fewest bits lost first, then chroma, then what costs least.
    """
    source = PLANAR[info.pixel_format]
    offered = [f.name for f in av.Codec(name, "w").video_formats or [] if f.name in PLANAR]
    usable = [PLANAR[f] for f in offered if _takes_size(name, PLANAR[f], info)]
    if not usable:
        return info.pixel_format

    def loss(kept: PlanarFormat) -> tuple[int, int, bool, int, int]:
        coarser = max(0, kept.vertical - source.vertical)
        coarser += max(0, kept.horizontal - source.horizontal)
        finer = 4 - kept.vertical - kept.horizontal
        return (
            max(0, source.bits - kept.bits),
            0 if source.grey else coarser,
            kept.grey and not source.grey,
            max(0, kept.bits - source.bits),
            -1 if kept.grey else finer,
        )

    return min(usable, key=loss).name


def _takes_size(name: str, kept: PlanarFormat, info: ClipInfo) -> bool:
    if name in ODD_SIZES:
        return True
    odd_height = kept.vertical and info.height % 2
    odd_width = kept.horizontal and info.width % 2
    return not (odd_height or odd_width)


def _add(output: OutputContainer, info: ClipInfo, name: str, choice: EncoderChoice) -> VideoStream:
    _check_known(name)
    try:
        stream = output.add_stream(name, rate=info.average_rate)
    except ValueError as error:
        raise SettingsError(
            f"{output.format.name} cannot hold what {name} writes",
            hint="choose another encoder or another extension",
        ) from error
    assert isinstance(stream, VideoStream)
    context = stream.codec_context
    context.width, context.height = info.width, info.height
    context.pix_fmt = _pixel_format(name, info, choice)
    context.time_base = stream.time_base = info.time_base
    context.flags |= Flags.frame_duration
    context.sample_aspect_ratio = info.sample_aspect
    context.colorspace = info.colour.coded_matrix
    context.color_primaries = info.colour.primaries
    context.color_trc = info.colour.transfer
    context.color_range = 2 if info.colour.full_range else 1
    context.options = _options(name, choice)
    return stream


def _check_known(name: str) -> None:
    try:
        kind = av.Codec(name, "w").type
    except av.codec.codec.UnknownCodecError as error:
        raise SettingsError(
            f"no encoder is called '{name}'", hint=nearest(name, av.codecs_available)
        ) from error
    if kind != "video":
        raise SettingsError(f"'{name}' encodes {kind}, not video", hint="try libx264")


def _pixel_format(name: str, info: ClipInfo, choice: EncoderChoice) -> str:
    if choice.pix_fmt is None:
        return fitting_format(name, info)
    offered = [f.name for f in av.Codec(name, "w").video_formats or []]
    if offered and choice.pix_fmt not in offered:
        raise SettingsError(
            f"{name} takes no pixel format '{choice.pix_fmt}'",
            hint=nearest(choice.pix_fmt, offered),
        )
    return choice.pix_fmt


def _options(name: str, choice: EncoderChoice) -> dict[str, str]:
    """The encoder's options: quality, speed, then the user's own, which win."""
    quality = next((o for part, o in CRF_OPTION.items() if part in name), "crf")
    has_quality = quality != "crf" or name.startswith("lib")
    if RATE_OPTIONS & choice.options.keys():
        has_quality = False
    options = {quality: str(CRF if choice.crf is None else choice.crf)} if has_quality else {}
    if choice.preset is not None and any(part in name for part in HAS_PRESET):
        options["preset"] = choice.preset
    if name == "libvpx-vp9":
        # Without these VP9 takes the better part of a second for one 1080p frame.
        options |= {"b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"}
    if name == "libx265":
        options["x265-params"] = "log-level=error"
    return options | dict(choice.options)


def _open(stream: VideoStream, name: str) -> None:
    context = stream.codec_context
    try:
        context.open()
    except (av.error.FFmpegError, ValueError) as error:
        raise RuntimeFailure(
            f"encoder {name} does not open for {context.width}x{context.height} "
            f"{context.pix_fmt}: {reason_of(error)}",
            hint="try the default encoder, without encoder options",
        ) from error
    if context.options:
        unknown = ", ".join(f"'{key}'" for key in context.options)
        raise SettingsError(
            f"encoder {name} knows no option {unknown}",
            hint=f"see the options of {name} with: ffmpeg -h encoder={name}",
        )


def _why_it_fails(info: ClipInfo, name: str, choice: EncoderChoice) -> str:
    """Try an encoder on a container that is thrown away; empty where it opens."""
    if name not in av.codecs_available:
        return "not part of this FFmpeg"
    try:
        with av.open(io.BytesIO(), "w", format="matroska") as trial:
            _open(_add(trial, info, name, choice), name)
    except RuntimeFailure as error:
        return reason_of(error.__cause__ or error)
    return ""
