"""Non-local means, batched on the device; no library runs it so."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.transforms.noise import estimate_noise


def _box(values: Tensor, size: int) -> Tensor:
    reach = size // 2
    return F.avg_pool2d(F.pad(values, (reach,) * 4, mode="reflect"), size, stride=1)


def non_local_means(images: Tensor, *, strength: float, patch: int = 5, reach: int = 5) -> Tensor:
    """Non-local means (Buades et al. 2005) with h = strength x the estimated noise.

    Weights exp(-max(d - 2 s^2, 0) / h^2) with d the mean squared patch difference, as
    scikit-image's fast mode has it; uniform patches of `patch`, search +-`reach` pixels.
    """
    sigma = estimate_noise(images).clamp(min=1e-4)[:, None, None, None]
    variance, h2 = sigma**2, (strength * sigma) ** 2
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    height, width = images.shape[-2:]
    total = torch.zeros_like(images)
    weight_sum = torch.zeros_like(images[:, :1])
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            shifted = padded[..., dy : dy + height, dx : dx + width]
            apart = _box((images - shifted).square().mean(dim=1, keepdim=True), patch)
            weight = torch.exp(-(apart - 2 * variance).clamp(min=0) / h2)
            total += weight * shifted
            weight_sum += weight
    return total / weight_sum
