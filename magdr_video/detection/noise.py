"""Noise of a crop's chroma, beside that of its luma (`transforms.estimate_noise`).

Perturbations are made channel by channel; cameras and codecs leave hardly any colour noise at the
scale of a pixel, so fine chroma noise tells more than luma noise as long as no codec has taken it.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _finest_diagonal(plane: Tensor) -> Tensor:
    """Diagonal Haar coefficients of planes (F, S, S), (F, S // 2, S // 2)."""
    height, width = (side // 2 * 2 for side in plane.shape[1:])
    even = plane[:, :height, :width]
    a, b = even[:, ::2, ::2], even[:, ::2, 1::2]
    c, d = even[:, 1::2, ::2], even[:, 1::2, 1::2]
    return (a - b - c + d) / 2


def chroma_noise(images: Tensor) -> Tensor:
    """Standard deviation of the noise in red minus green and blue minus green, (F,) in [0, 1].

    Donoho's estimate: median absolute deviation of the finest diagonal Haar coefficients, divided
    by 0.6745; by sqrt(2) besides, because each difference holds the noise of two channels.
    """
    differences = (images[:, 0] - images[:, 1], images[:, 2] - images[:, 1])
    held = torch.cat([_finest_diagonal(plane).abs().flatten(1) for plane in differences], dim=1)
    spread: Tensor = held.median(dim=1).values / 0.6745 / 2**0.5
    return spread
