"""Non-local means, batched on the device; no library runs it so."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.transforms.noise import estimate_noise

PATCH = 5
"""Side of the patches that are compared, px; `_sum_of_five` is made for it."""


def _sum_of_five(values: Tensor, axis: int) -> Tensor:
    """Sums of five successive values along an axis, which gets four shorter."""
    length = values.shape[axis]
    pairs = values.narrow(axis, 0, length - 1) + values.narrow(axis, 1, length - 1)
    kept = length - 4
    return pairs.narrow(axis, 0, kept) + pairs.narrow(axis, 2, kept) + values.narrow(axis, 4, kept)


def non_local_means(images: Tensor, *, strength: float, reach: float = 5) -> Tensor:
    """Non-local means (Buades et al. 2005) with h = strength x the estimated noise.

    Weights exp(-max(d - 2 s^2, 0) / h^2) with d the mean squared difference of 5 x 5 patches, as
    scikit-image's fast mode has it; the search goes +-`reach` pixels, borders are reflected.
    """
    sigma = estimate_noise(images).clamp(min=1e-4)[:, None, None, None]
    variance, h2 = sigma**2, (strength * sigma) ** 2
    far, half = int(reach), PATCH // 2
    height, width = images.shape[-2:]
    margin = far + half
    padded = F.pad(images, (margin,) * 4, mode="reflect")
    total = images.clone()
    weight_sum = torch.ones_like(images[:, :1])
    for dy in range(far + 1):
        for dx in range(-far if dy else 1, far + 1):
            # A pair of pixels has one weight, seen from both: half of the offsets do. It is
            # needed wherever one of the two lies inside, hence the larger window.
            top, left = margin - dy, margin - max(dx, 0)
            rows, columns = height + dy, width + abs(dx)
            window = padded[
                ..., top - half : top + rows + half, left - half : left + columns + half
            ]
            other = padded[
                ...,
                top + dy - half : top + dy + rows + half,
                left + dx - half : left + dx + columns + half,
            ]
            apart = (window - other).square().sum(dim=1, keepdim=True)
            apart = _sum_of_five(_sum_of_five(apart, 2), 3) / (3 * PATCH**2)
            weight = torch.exp((2 * variance - apart).clamp(max=0) / h2)
            ahead = weight[..., dy : dy + height, max(dx, 0) : max(dx, 0) + width]
            behind = weight[..., :height, max(-dx, 0) : max(-dx, 0) + width]
            y, x = margin + dy, margin + dx
            total = total + ahead * padded[..., y : y + height, x : x + width]
            y, x = margin - dy, margin - dx
            total = total + behind * padded[..., y : y + height, x : x + width]
            weight_sum = weight_sum + ahead + behind
    return total / weight_sum
