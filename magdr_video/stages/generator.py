"""The generator of a run: in chunks that fit the device, its passes counted."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from magdr_video.device import in_usual_sizes
from magdr_video.types import RunReport

Generate = Callable[[Tensor, Tensor], Tensor]

DEVICE_CHUNK, CPU_CHUNK = 64, 8
"""Crops at once. On a processor more are no faster and take memory: 2, 4, 8 and 16 took 39, 43, 40
and 39 ms a crop."""


def chunk_for(device: torch.device, *, one_by_one: bool = False) -> int:
    """How many crops should go through a generator at once.

    Args:
        one_by_one: it takes no more than one; rows that only fill a batch would be passes.
    """
    if one_by_one:
        return 1
    return CPU_CHUNK if device.type == "cpu" else DEVICE_CHUNK


class CountedGenerator:
    """A generator in chunks that fit the device; counts passes, halves on lack of memory."""

    def __init__(self, generate: Generate, report: RunReport, *, chunk: int = DEVICE_CHUNK) -> None:
        self._generate = generate
        self._report = report
        self._chunk = chunk

    @torch.no_grad()
    def __call__(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under (F, C)."""
        self._report.generator_passes += len(crops)
        out: list[Tensor] = []
        start = 0
        while start < len(crops):
            piece = slice(start, start + self._chunk)
            try:
                given = (crops[piece], condition[piece])
                out.append(in_usual_sizes(self._generate, *given, most=self._chunk))
            except torch.cuda.OutOfMemoryError:
                tried = len(crops[piece])
                if tried == 1:
                    raise
                self._chunk = tried // 2
                self._report.notes.append(f"device memory is short: batches of {self._chunk}")
                continue
            start += self._chunk
        return torch.cat(out) if out else crops
