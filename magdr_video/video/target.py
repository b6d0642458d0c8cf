"""What containers can do: which keep exact times, what their muxers are called, what they hold."""

from __future__ import annotations

import io
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import AttachmentStream, Stream

from magdr_video.video.clip_info import ClipInfo

MUXERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".ts": "mpegts",
    ".mts": "mpegts",
    ".m2ts": "mpegts",
    ".nut": "nut",
}
"""Extensions we write, each with FFmpeg's muxer. All carry a time for every frame."""

ISO = ("mp4", "mov")
"""Muxers of the ISO base media family."""


def target_suffix(clip: ClipInfo | str) -> str:
    """The extension to write for an input: its own where the container carries exact times.

    AVI, MPEG program streams and the like know only a rate; they become '.mp4', or '.mkv' where
    the clip has sound that MP4 cannot hold.

    Args:
        clip: the input, or just an extension with its dot.
    """
    suffix = (clip.path.suffix if isinstance(clip, ClipInfo) else clip).lower()
    if suffix in MUXERS:
        return suffix
    if isinstance(clip, ClipInfo) and not all(
        _known_to("mp4", note.codec) for note in clip.streams if note.kind == "audio"
    ):
        return ".mkv"
    return ".mp4"


def muxer_of(target: Path) -> str:
    """FFmpeg's muxer for a file name; Matroska for names that say nothing."""
    return MUXERS.get(target.suffix.lower(), "matroska")


def default_encoder(muxer: str, bits: int) -> str:
    """The encoder used where the user names none.

    WebM takes VP9, and AV1 above 8 bits, for which libvpx is commonly built without. H.264 stops
    at 10 bits.
    """
    if muxer == "webm":
        return "libvpx-vp9" if bits == 8 else "libsvtav1"
    return "libx264" if bits <= 10 else "libx265"


def wants_global_header(muxer: str) -> bool:
    """True where the container holds the encoder's headers, so that the stream need not."""
    flags = av.format.Flags(av.ContainerFormat(muxer, "w").flags)
    return av.format.Flags.global_header in flags


def refusal(muxer: str, template: Stream) -> str:
    """Why a container cannot hold a copy of this stream; empty where it can.

    Asked of the muxer itself: it must accept the codec and write a header for the stream alone.
    """
    if isinstance(template, AttachmentStream):
        return "" if muxer == "matroska" else f"{muxer} holds no attachments"
    if template.type == "data":
        return f"{muxer} cannot take over a {template.type} track"
    if template.codec_context is None:
        return "its codec is unknown"
    name = template.codec_context.name
    try:
        with av.open(io.BytesIO(), "w", format=muxer) as trial:
            trial.add_stream_from_template(template, opaque=True)
            trial.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return f"{muxer} cannot hold {name}"
    return ""


def _known_to(muxer: str, codec: str) -> bool:
    with av.open(io.BytesIO(), "w", format=muxer) as trial:
        assert isinstance(trial, OutputContainer)
        try:
            trial.add_mux_stream(codec)
        except ValueError:
            return False
        return True
