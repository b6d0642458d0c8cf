"""A clip as a player shows it: pictures by the ffmpeg program, times and packets by PyAV alone."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

UNTAGGED = 2
FLAGS = "accurate_rnd+full_chroma_int"
"""Of the scaler: exact sums, and chroma for every pixel."""
NAMES = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
"""Of FFmpeg's numbers of a matrix, for its scaler."""


@dataclass(frozen=True)
class Shown:
    """What is seen and heard."""

    pictures: NDArray[np.uint8]
    """(N, H, W, 3), upright."""
    seconds: tuple[Fraction, ...]
    """Of every picture."""
    display: Fraction
    """Width over height of the upright picture on a screen."""
    colour: tuple[int, int, int, int]
    """Matrix, primaries, transfer and range as tagged; 2 is untagged, a range of 0, too."""
    bits: int
    packets: dict[tuple[str, str], list[bytes]]
    """Of the other streams, by kind and language; attachments by their content."""
    starts: dict[tuple[str, str], Fraction]
    """Of the first packet of each other stream, seconds after the first picture."""
    chapters: list[tuple[Fraction, Fraction, str]]


def play(path: Path) -> Shown:
    """All of a clip."""
    with av.open(str(path.absolute())) as container:
        stream = container.streams.video[0]
        frames, width, height = [], 0, 0
        for frame in container.decode(stream):
            frames.append(frame.pts * frame.time_base)
            turned = frame.rotation % 180 != 0
            width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
        sample = Fraction(stream.sample_aspect_ratio or 1) or Fraction(1)
        sample = 1 / sample if turned else sample
        held = stream.codec_context
        colour = (held.colorspace, held.color_primaries, held.color_trc, held.color_range)
        bits = held.format.components[0].bits
        chapters = [
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"]["title"])
            for c in container.chapters()
        ]
    packets, starts = _others(path, frames[0])
    return Shown(
        pictures=_pictures(path, width, height, colour[0]),
        seconds=tuple(frames),
        display=Fraction(width, height) * sample,
        colour=colour,
        bits=bits,
        packets=packets,
        starts=starts,
        chapters=chapters,
    )


def _pictures(path: Path, width: int, height: int, matrix: int) -> NDArray[np.uint8]:
    """As the ffmpeg program shows them: turned, in RGB; untagged ones by the usual rule."""
    usual = "bt601" if height <= 576 else "bt709"
    scale = f"scale=in_color_matrix={NAMES.get(matrix, usual)}:flags={FLAGS}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", f"file:{path.absolute()}"]
    command += ["-map", "0:v:0", "-vf", scale, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def _others(path: Path, zero: Fraction) -> tuple[dict[Any, list[bytes]], dict[Any, Fraction]]:
    packets: dict[tuple[str, str], list[bytes]] = {}
    starts: dict[tuple[str, str], Fraction] = {}
    with av.open(str(path.absolute())) as container:
        for stream in container.streams:
            if stream.type == "attachment":
                packets[("attachment", stream.name)] = [bytes(stream.data)]
        for packet in container.demux():
            stream = packet.stream
            if stream.type == "video" or not packet.size:
                continue
            key = (stream.type, stream.metadata.get("language", ""))
            packets.setdefault(key, []).append(bytes(packet))
            if packet.pts is not None:
                starts.setdefault(key, packet.pts * packet.time_base - zero)
    return packets, starts
