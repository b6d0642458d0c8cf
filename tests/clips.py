"""Synthetic clips for the whole suite, made with PyAV alone: what goes in is known exactly.

Nothing here uses the package's writer, so that reader and writer are tested against something
else than each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

LOSSLESS = {"qp": "0", "preset": "ultrafast"}
SAMPLE_RATE = 48000


@dataclass(frozen=True)
class Sound:
    """A tone of one second."""

    start: Fraction = Fraction(0)
    language: str = "eng"
    codec: str = "mp2"
    seconds: float = 1.0


@dataclass(frozen=True)
class ClipPlan:
    """A clip to make; the default is 12 frames of 64x48, 25 a second, lossless H.264."""

    frames: int = 12
    width: int = 64
    height: int = 48
    pixel_format: str = "yuv420p"
    codec: str = "libx264"
    options: dict[str, str] = field(default_factory=lambda: dict(LOSSLESS))
    time_base: Fraction = Fraction(1, 90000)
    pts: Sequence[int] | None = None
    aspect: Fraction = Fraction(1)
    rotation: int = 0
    mirrored: bool = False
    matrix: int = 2
    primaries: int = 2
    transfer: int = 2
    full_range: bool = False
    cut_at: int | None = None
    hold: int = 1
    """Frames that show the same picture, one after the other."""
    sounds: Sequence[Sound] = ()
    subtitles: Sequence[str] = ()
    chapters: bool = False
    attachment: bytes = b""
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def times(self) -> list[int]:
        """pts of every frame."""
        if self.pts is not None:
            return list(self.pts)
        step = 1 / (25 * self.time_base)
        return [round(index * step) for index in range(self.frames)]


def vfr_times(count: int, start: int = 0) -> list[int]:
    """Irregular but increasing pts in 1/90000 s, 7 to 90 ms apart."""
    gaps = np.random.default_rng(7).integers(630, 8100, count)
    return [start + int(t) for t in np.cumsum(gaps) - gaps[0]]


def picture(plan: ClipPlan, index: int) -> list[NDArray[Any]]:
    """Planes (h, w) of a frame: a gradient that moves, four different corners, a little noise."""
    frame = av.VideoFrame(plan.width, plan.height, plan.pixel_format)
    bits = frame.format.components[0].bits
    rng = np.random.default_rng(1000 + index)
    after_cut = plan.cut_at is not None and index >= plan.cut_at
    planes = []
    for number, part in enumerate(frame.format.components):
        y, x = np.mgrid[0 : part.height, 0 : part.width]
        value = 60 + 100 * x / part.width + 20 * np.sin(y / 5 + index / 6) + 10 * number
        value = (230 - value if after_cut else value) + rng.integers(0, 4, value.shape)
        _mark_corners(value, number)
        value = np.clip(value, 16, 235) * (1 << (bits - 8))
        planes.append(value.astype(np.uint8 if bits == 8 else np.uint16))
    return planes


def _mark_corners(value: NDArray[Any], number: int) -> None:
    """Top left, top right, bottom left, bottom right: four levels in each plane."""
    h, w = value.shape[0] // 4, value.shape[1] // 4
    levels = np.roll([40, 90, 150, 210], number)
    value[:h, :w], value[:h, -w:], value[-h:, :w], value[-h:, -w:] = levels


def make_clip(path: Path, plan: ClipPlan | None = None) -> list[list[NDArray[Any]]]:
    """Write the clip; returns the planes of its frames, as they were handed to the encoder."""
    plan = plan or ClipPlan()
    container_options = {"movflags": "use_metadata_tags", "movie_timescale": "90000"}
    options = container_options if path.suffix in (".mp4", ".mov") else {}
    if path.suffix == ".mkv":
        options = {"avoid_negative_ts": "disabled"}
    with av.open(str(path), "w", container_options=options) as output:
        video = _add_video(output, plan)
        sounds = [_add_sound(output, sound) for sound in plan.sounds]
        texts = [_add_subtitle(output, language) for language in plan.subtitles]
        if plan.attachment:
            output.add_attachment("font.ttf", "font/ttf", plan.attachment)
        if plan.chapters:
            output.set_chapters(_chapters())
        output.metadata.update(plan.metadata)
        output.start_encoding()
        packets: list[tuple[float, Any]] = []
        made = _encode_video(video, plan, packets)
        for stream, sound in zip(sounds, plan.sounds, strict=True):
            _encode_sound(stream, sound, packets)
        for number, stream in enumerate(texts):
            _write_subtitles(stream, number, packets)
        for _, packet in sorted(packets, key=lambda item: item[0]):
            output.mux(packet)
    return made


def _add_video(output: Any, plan: ClipPlan) -> Any:
    stream = output.add_stream(plan.codec, rate=25, options=dict(plan.options))
    context = stream.codec_context
    context.width, context.height = plan.width, plan.height
    context.pix_fmt = plan.pixel_format
    context.time_base = stream.time_base = plan.time_base
    context.sample_aspect_ratio = plan.aspect
    context.colorspace, context.color_primaries = plan.matrix, plan.primaries
    context.color_trc = plan.transfer
    context.color_range = 2 if plan.full_range else 1
    if plan.rotation or plan.mirrored:
        stream.set_display_rotation(plan.rotation, hflip=plan.mirrored)
    return stream


def _encode_video(
    stream: Any, plan: ClipPlan, packets: list[tuple[float, Any]]
) -> list[list[NDArray[Any]]]:
    made = []
    for index, pts in enumerate(plan.times):
        planes = picture(plan, index // plan.hold)
        frame = av.VideoFrame(plan.width, plan.height, plan.pixel_format)
        for target, plane in zip(frame.planes, planes, strict=True):
            row = target.line_size // plane.itemsize
            memory = np.frombuffer(memoryview(target), plane.dtype)
            memory[: row * plane.shape[0]].reshape(-1, row)[:, : plane.shape[1]] = plane
        frame.pts, frame.time_base = pts, plan.time_base
        packets += [(_second(p), p) for p in stream.encode(frame)]
        made.append(planes)
    packets += [(_second(p), p) for p in stream.encode(None)]
    return made


def _add_sound(output: Any, sound: Sound) -> Any:
    stream = output.add_stream(sound.codec, rate=SAMPLE_RATE, layout="mono")
    stream.metadata["language"] = sound.language
    return stream


def _encode_sound(stream: Any, sound: Sound, packets: list[tuple[float, Any]]) -> None:
    count = int(sound.seconds * SAMPLE_RATE)
    size = stream.codec_context.frame_size or 1152
    first = round(sound.start * SAMPLE_RATE)
    tone = np.arange(min(count, 10 * SAMPLE_RATE)) * (0.05 + 0.01 * len(sound.language))
    wave = np.resize((8000 * np.sin(tone)).astype(np.int16), count)
    resampler = av.AudioResampler(stream.format.name, "mono", SAMPLE_RATE)
    for begin in range(0, count - size + 1, size):
        frame = av.AudioFrame.from_ndarray(wave[None, begin : begin + size], "s16", "mono")
        frame.sample_rate, frame.pts = SAMPLE_RATE, first + begin
        frame.time_base = Fraction(1, SAMPLE_RATE)
        for ready in resampler.resample(frame):
            packets += [(_second(p), p) for p in stream.encode(ready)]
    packets += [(_second(p), p) for p in stream.encode(None)]


def _add_subtitle(output: Any, language: str) -> Any:
    stream = output.add_mux_stream("subrip")
    stream.metadata["language"] = language
    stream.time_base = Fraction(1, 1000)
    return stream


def _write_subtitles(stream: Any, number: int, packets: list[tuple[float, Any]]) -> None:
    for start in (100, 300):
        packet = av.Packet(f"line {number} at {start}".encode())
        packet.pts = packet.dts = start
        packet.duration, packet.time_base = 150, Fraction(1, 1000)
        packet.stream = stream
        packets.append((_second(packet), packet))


def _chapters() -> list[Any]:
    base = Fraction(1, 1000)
    return [
        {"id": 1, "start": 0, "end": 200, "time_base": base, "metadata": {"title": "first"}},
        {"id": 2, "start": 200, "end": 480, "time_base": base, "metadata": {"title": "second"}},
    ]


def _second(packet: Any) -> float:
    return float((packet.dts or 0) * packet.time_base)


def truncate(source: Path, target: Path, share: float) -> Path:
    """The first part of a file."""
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * share)])
    return target
