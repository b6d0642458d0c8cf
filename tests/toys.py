"""Small stand-ins: a generator of two random convolutions, halved masks, a calibration table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.detection.calibration import Calibration, CleanStatistics, FittedScore
from magdr_video.transforms import gaussian, parse_chain
from magdr_video.types import Masks

REGIONS = ("face", "background")


class ToyGenerator:
    """Crops (F, 3, S, S) and conditions (F, 1) to [0, 1]; counts the crops it saw."""

    def __init__(self, seed: int = 0, *, gain: float = 1.0) -> None:
        draw = torch.Generator().manual_seed(seed)
        self._first = torch.randn(6, 3, 3, 3, generator=draw) * gain
        self._second = torch.randn(3, 6, 3, 3, generator=draw) * 0.3
        self.passes = 0

    def __call__(self, crops: Tensor, condition: Tensor) -> Tensor:
        self.passes += len(crops)
        held = torch.tanh(F.conv2d(crops - 0.5, self._first, padding=1))
        held = F.conv2d(held, self._second, padding=1) + condition[:, :1, None, None]
        return torch.sigmoid(held)


def pictures(count: int, size: int = 32, *, noise: float = 0.0, seed: int = 0) -> Tensor:
    """Smooth random pictures (F, 3, S, S) spread over [0.1, 0.9], with noise if wanted."""
    draw = torch.Generator().manual_seed(seed)
    smooth = gaussian(torch.rand(count, 3, size, size, generator=draw), sigma=2.5)
    low, high = smooth.amin(dim=(1, 2, 3), keepdim=True), smooth.amax(dim=(1, 2, 3), keepdim=True)
    smooth = 0.1 + 0.8 * (smooth - low) / (high - low)
    grain = torch.randn(smooth.shape, generator=draw) * noise
    return (smooth + grain).clamp(0, 1)


def halves(count: int, size: int = 32, *, target: tuple[bool, ...] = (False, False)) -> Masks:
    """Left half 'face', right half 'background'."""
    data = torch.zeros(count, 2, size, size)
    data[:, 0, :, : size // 2] = 1
    data[:, 1, :, size // 2 :] = 1
    return Masks(data, REGIONS, target)


def toy_statistics(
    rows: int = 2, chains: int = 2, columns: int = 3, *, condition: tuple[float, ...] = ()
) -> CleanStatistics:
    """Mean 0 and deviation 1: standardised distances are the raw ones."""
    return CleanStatistics(
        condition=condition,
        faces=100,
        distortion_mean=torch.zeros(rows, columns),
        distortion_std=torch.ones(rows, columns),
        consistency_mean=torch.zeros(chains, columns),
        consistency_std=torch.ones(chains, columns),
    )


def toy_table(
    *,
    task: str = "edit",
    regions: tuple[str, ...] = REGIONS,
    criteria: tuple[str, ...] = ("l1", "l2", "ssim"),
    transforms: tuple[str, ...] = ("gaussian(sigma=1)", "jpeg(quality=75)"),
    tau_region: float = float("inf"),
    least_flags: int = 1,
    tau_cons: float = float("inf"),
    tau_mean: float = float("inf"),
    weight: float = 1.0,
    tau_final: float = 0.0,
    recipe: str = "gaussian(sigma=0.7)",
    statistics: tuple[CleanStatistics, ...] = (),
    scores: Mapping[str, FittedScore] | None = None,
) -> Calibration:
    """A table with mean 0 and deviation 1, unless other statistics are given."""
    sizes = len(regions), len(transforms), len(criteria)
    return Calibration(
        task=task,
        model="0" * 64,
        purifier="1" * 64,
        criteria=criteria,
        regions=regions,
        transforms=tuple(parse_chain(text) for text in transforms),
        statistics=statistics or (toy_statistics(*sizes),),
        tau_region=tau_region,
        least_flags=least_flags,
        tau_cons=tau_cons,
        tau_mean=tau_mean,
        weight=weight,
        tau_final=tau_final,
        recipe=parse_chain(recipe),
        scores=scores or {},
    )


def decibels(a: Tensor, b: Tensor) -> float:
    """PSNR by hand, peak 1."""
    return float(-10 * np.log10(np.mean((a.double().numpy() - b.double().numpy()) ** 2)))
