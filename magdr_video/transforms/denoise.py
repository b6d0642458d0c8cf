"""Local smoothing: Gaussian, median, bilateral and guided filters (layer 1 of Rec-Net)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def _kernel(sigma: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    reach = max(1, math.ceil(3 * sigma))
    x = torch.arange(-reach, reach + 1, device=device, dtype=dtype)
    weights = torch.exp(-(x**2) / (2 * sigma**2))
    return weights / weights.sum()


def gaussian(images: Tensor, *, sigma: float) -> Tensor:
    """Gaussian blur, sigma in pixels, reflected borders."""
    weights = _kernel(sigma, images.device, images.dtype)
    reach, channels = len(weights) // 2, images.shape[1]
    row = weights[None, None, None].expand(channels, 1, 1, -1)
    out = F.pad(images, (reach,) * 4, mode="reflect")
    out = F.conv2d(out, row, groups=channels)
    return F.conv2d(out, row.transpose(2, 3), groups=channels)


def median(images: Tensor, *, size: float) -> Tensor:
    """Median over size x size pixels (kornia), reflected borders."""
    from kornia.filters import median_blur

    reach = int(size) // 2
    # kornia pads with zeros by default, which turns the corners black.
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    out: Tensor = median_blur(padded, int(size))[..., reach:-reach, reach:-reach]
    return out


def bilateral(images: Tensor, *, colour: float, space: float) -> Tensor:
    """Bilateral filter over 5 x 5 pixels (kornia)."""
    from kornia.filters import bilateral_blur

    out: Tensor = bilateral_blur(images, 5, colour, (space, space))
    return out


def guided(images: Tensor, *, eps: float) -> Tensor:
    """Self-guided filter over 5 x 5 pixels (kornia)."""
    from kornia.filters import guided_blur

    out: Tensor = guided_blur(images, images, 5, eps)
    return out.clamp(0, 1)
