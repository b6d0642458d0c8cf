"""What half precision gains on a CUDA device, and what it changes, network by network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.faces.parsing import parse
from magdr_video.loading import Models
from magdr_video.models.precision import computing

REPEATS = 5
MASKS = 8
"""Crops that the parser sees: those of a batch that are parsed."""


@dataclass(frozen=True)
class PrecisionCost:
    """One network in half precision against the same in full."""

    full_ms: float
    """A crop."""
    half_ms: float
    """A crop."""
    psnr: float
    """Between the two results, dB; infinite where they are equal."""
    most: float
    """Largest difference, of values in [0, 1]."""


@torch.no_grad()
def precision_costs(crops: Tensor, models: Models) -> dict[str, PrecisionCost]:
    """Generator and parser on the crops of a clip.

    Args:
        crops: (F, 3, S, S) in [0, 1], on the models' device.
    """
    condition = models.translator.condition(models.condition, len(crops))
    parsed = crops[:MASKS]

    def translate(half: bool) -> Tensor:
        with computing(models.device, half=half):
            return models.translator.translate(crops, condition).float()

    def masks(half: bool) -> Tensor:
        return parse(parsed, models.parser, models.parser_size, half=half)

    return {
        "generator": _compare(translate, len(crops), models.device),
        "parser": _compare(masks, len(parsed), models.device),
    }


def _compare(run: Callable[[bool], Tensor], crops: int, device: torch.device) -> PrecisionCost:
    apart = (run(True) - run(False)).abs()
    error = float(apart.square().mean())
    spent = [_seconds(lambda half=half: run(half), device) for half in (False, True)]  # type: ignore[misc]
    full, half = (1000 * seconds / crops for seconds in spent)
    return PrecisionCost(
        full, half, -10 * math.log10(error) if error else math.inf, float(apart.max())
    )


def _seconds(work: Callable[[], Tensor], device: torch.device) -> float:
    """Of one call, the best of a few."""
    best = math.inf
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - began)
    return best
