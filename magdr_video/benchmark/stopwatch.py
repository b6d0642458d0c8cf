"""What a piece of work costs: wall time, core time, memory."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MIB = 1 << 20


@dataclass
class Spent:
    """Seconds of one stage or run."""

    wall: float = 0.0
    core: float = 0.0
    """Processor seconds of all threads."""

    @contextmanager
    def running(self, device: str = "cpu") -> Iterator[None]:
        """Add what happens inside; waits for a CUDA device to finish, so that its time counts."""
        wall, core = time.perf_counter(), time.process_time()
        try:
            yield
            if device != "cpu":
                import torch

                torch.cuda.synchronize()
        finally:
            self.wall += time.perf_counter() - wall
            self.core += time.process_time() - core


def resident_memory() -> float:
    """MiB of memory that the process holds now; its peak where the system does not say."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / MIB
    return peak_memory()


def peak_memory() -> float:
    """MiB of memory that the process held at most, since `forget_peak` where the system can."""
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held / MIB if sys.platform == "darwin" else held / 1024


def forget_peak() -> None:
    """Begin the peak anew, on Linux."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


@dataclass
class MemoryTrace:
    """Memory over the frames of a run."""

    frames: list[int] = field(default_factory=list)
    mib: list[float] = field(default_factory=list)

    def note(self, frames: int, mib: float | None = None) -> None:
        """Remember what is held after so many frames."""
        self.frames.append(frames)
        self.mib.append(resident_memory() if mib is None else mib)

    @property
    def slope(self) -> float | None:
        """MiB a thousand frames over the second half, by least squares; None of too few points.

        The first half holds caches and buffers that fill once.
        """
        half = len(self.frames) // 2
        x, y = np.array(self.frames[half:], float), np.array(self.mib[half:], float)
        if len(x) < 3 or x[-1] == x[0]:
            return None
        return float(np.polyfit(x, y, 1)[0] * 1000)
