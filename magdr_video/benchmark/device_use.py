"""What a CUDA device does while something runs: its kernels and copies, and when it is idle."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from warnings import catch_warnings, simplefilter

import torch

NAMED = 8
"""Kernels that are told by name, the dearest first."""
LONGEST_NAME = 80


@dataclass(frozen=True)
class Piece:
    """A kernel or a copy on the device."""

    name: str
    begin: float
    """Seconds."""
    end: float
    """Seconds."""


@dataclass
class DeviceUse:
    """What the device did; all zero where nothing could be recorded."""

    wall: float = 0.0
    """Seconds."""
    busy: float = 0.0
    """Seconds in which it had at least one kernel or copy at work."""
    copying: float = 0.0
    """Seconds of copies to and from the host, and within the device."""
    launches: int = 0
    """Kernels."""
    dearest: dict[str, float] = field(default_factory=dict)
    """Seconds by kernel."""

    def values(self, frames: int) -> dict[str, Any]:
        """As JSON values, a frame."""
        count = max(1, frames)
        return {
            "utilisation": self.busy / self.wall if self.wall else 0.0,
            "busy_ms_per_frame": 1000 * self.busy / count,
            "copying_ms_per_frame": 1000 * self.copying / count,
            "kernels_per_frame": self.launches / count,
            "dearest_ms_per_frame": {
                name: round(1000 * seconds / count, 4) for name, seconds in self.dearest.items()
            },
        }


@contextmanager
def device_use(device: torch.device) -> Iterator[DeviceUse]:
    """Record what the device does inside; nothing but the wall time on a processor.

    Recording slows the host down, by a microsecond or two a kernel: utilisation is a little
    higher without it.
    """
    out = DeviceUse()
    began = time.perf_counter()
    if device.type != "cuda":
        yield out
        out.wall = time.perf_counter() - began
        return
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize(device)
    # It warns that events of earlier cycles are lost; there is one cycle.
    with catch_warnings(), profile(activities=[ProfilerActivity.CUDA]) as recorded:
        simplefilter("ignore", UserWarning)
        began = time.perf_counter()
        yield out
        torch.cuda.synchronize(device)
        out.wall = time.perf_counter() - began
    add_up(_pieces(recorded.events() or ()), out)


def _pieces(events: Iterable[Any]) -> Iterator[Piece]:
    for event in events:
        if event.device_type.name == "CUDA":
            held = event.time_range
            yield Piece(event.name, held.start / 1e6, held.end / 1e6)


def add_up(pieces: Iterable[Piece], out: DeviceUse) -> None:
    """Add pieces of the device's work; those that overlap make it busy once."""
    kernels: Counter[str] = Counter()
    reached = float("-inf")
    for piece in sorted(pieces, key=lambda one: one.begin):
        out.busy += max(0.0, piece.end - max(piece.begin, reached))
        reached = max(reached, piece.end)
        seconds = piece.end - piece.begin
        if piece.name.startswith(("Memcpy", "Memset")):
            out.copying += seconds
        else:
            out.launches += 1
            kernels[piece.name[:LONGEST_NAME]] += seconds  # type: ignore[assignment]
    out.dearest = dict(kernels.most_common(NAMED))
