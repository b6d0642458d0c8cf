"""Small films of many containers, and damage of many kinds; each case is known by its number."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests.clips import LOSSLESS, ClipPlan, Sound, make_clip

RATE: dict[str, Any] = {"time_base": Fraction(1, 25), "options": {}}
"""Of old codecs, which know no times but a rate."""

PLANS = {
    "plain.mp4": ClipPlan(frames=8, sounds=[Sound(codec="aac", seconds=0.4)]),
    "turned.mov": ClipPlan(frames=6, rotation=90, width=63, height=65, pixel_format="yuv444p"),
    "full.mkv": ClipPlan(
        frames=8,
        sounds=[Sound(seconds=0.4), Sound(language="deu", seconds=0.4)],
        subtitles=["eng"],
        chapters=True,
        attachment=b"font" * 50,
    ),
    "ten.mkv": ClipPlan(frames=6, pixel_format="yuv420p10le", options=dict(LOSSLESS)),
    "vp9.webm": ClipPlan(frames=4, codec="libvpx-vp9", options={"cpu-used": "8"}),
    "stream.ts": ClipPlan(frames=8, sounds=[Sound(seconds=0.4)]),
    "old.avi": ClipPlan(frames=8, codec="mpeg4", sounds=[Sound(seconds=0.4)], **RATE),
    "tape.mpg": ClipPlan(frames=8, codec="mpeg1video", **RATE),
    "exact.nut": ClipPlan(frames=6, codec="ffv1", options={}),
    "flash.flv": ClipPlan(frames=6, codec="flv", **RATE),
}
"""A film of each; names carry the container."""


@dataclass(frozen=True)
class Damaged:
    """A mutated file."""

    name: str
    """Of the film it was, such as 'plain.mp4'."""
    kind: str
    """What was done to it."""
    data: bytes


def make_films(folder: Path) -> dict[str, bytes]:
    """The films of `PLANS` by name."""
    held = {}
    for name, plan in PLANS.items():
        make_clip(folder / name, plan)
        held[name] = (folder / name).read_bytes()
    return held


def damage(films: dict[str, bytes], number: int) -> Damaged:
    """Case `number`: the same for the same films and number, whatever was drawn before."""
    rng = np.random.default_rng([20211, number])
    name = list(films)[number % len(films)]
    kind = list(KINDS)[number // len(films) % len(KINDS)]
    others = [data for other, data in films.items() if other != name]
    return Damaged(name, kind, KINDS[kind](films[name], others[rng.integers(len(others))], rng))


def _flip(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Single bits, from one to one in a hundred bytes."""
    out = np.frombuffer(data, np.uint8).copy()
    count = int(np.exp(rng.uniform(0, np.log(len(out) / 100 + 2))))
    out[rng.integers(0, len(out), count)] ^= np.uint8(1) << rng.integers(0, 8, count, np.uint8)
    return out.tobytes()


def _flip_early(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Bits of the first kilobyte, where headers lie."""
    return _flip(data[:1024], other, rng) + data[1024:]


def _flip_late(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Bits of the last two kilobytes, where MP4 keeps its index."""
    return data[:-2048] + _flip(data[-2048:], other, rng)


def _truncate(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The first part, of any length; often a short one."""
    return data[: int(len(data) * rng.uniform() ** 2)]


def _behead(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Without its beginning."""
    return data[int(rng.integers(1, min(4096, len(data)))) :]


def _swap_header(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """The beginning of another container before the rest of this one."""
    size = int(2 ** rng.uniform(2, 10))
    return other[:size] + data[size:]


def _blank(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A stretch of zeros or ones, as of a bad sector or a hole."""
    start, size = int(rng.integers(len(data))), int(rng.integers(1, len(data) // 4))
    hole = bytes([0xFF * int(rng.integers(2))]) * len(data[start : start + size])
    return data[:start] + hole + data[start + size :]


def _insert(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """Foreign bytes in between."""
    start = int(rng.integers(len(data)))
    return data[:start] + rng.bytes(int(rng.integers(1, 300))) + data[start:]


def _remove(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A stretch left out."""
    start, size = int(rng.integers(len(data))), int(rng.integers(1, 600))
    return data[:start] + data[start + size :]


def _enlarge(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A 32-bit number becomes the largest: sizes, counts and times that lie."""
    start = int(rng.integers(0, len(data) - 4))
    number = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x00"][int(rng.integers(3))]
    return data[:start] + number + data[start + 4 :]


def _repeat(data: bytes, other: bytes, rng: np.random.Generator) -> bytes:
    """A second, whole file behind the first, or the first twice."""
    return data + (data if rng.integers(2) else other)


KINDS = {
    "flip": _flip,
    "flip early": _flip_early,
    "flip late": _flip_late,
    "truncate": _truncate,
    "behead": _behead,
    "swap header": _swap_header,
    "blank": _blank,
    "insert": _insert,
    "remove": _remove,
    "enlarge": _enlarge,
    "repeat": _repeat,
}
