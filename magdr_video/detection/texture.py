"""What a difference between two images looks like: how coloured, how coarse, how noisy.

Perturbations are made channel by channel at the scale of a pixel; cameras and codecs leave hardly
any colour noise there, so colour and scale tell a perturbation from grain and from blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from magdr_video.transforms import gaussian

COARSE = 2.0
"""Deviation, in pixels, of the blur that a coarse difference survives."""

BLOCK = 16
"""Side of the squares, in pixels, over which differences are taken locally."""

_LEAST = 1e-4
"""Below this a mean absolute difference counts as none: a fortieth of an 8-bit level."""


def _size(difference: Tensor) -> Tensor:
    return difference.abs().mean(dim=(1, 2, 3)) + _LEAST


def colour_share(difference: Tensor) -> Tensor:
    """Mean absolute chroma of a difference (F, 3, S, S) over that of its luma, (F,)."""
    luma = difference.mean(dim=1, keepdim=True)
    return _size(difference - luma) / _size(luma)


def coarse_share(difference: Tensor) -> Tensor:
    """What of a difference (F, 3, S, S) survives a blur, (F,) in about [0, 1]."""
    return _size(gaussian(difference, sigma=COARSE)) / _size(difference)


def local_ratio(output: Tensor, moved: Tensor, level: float) -> Tensor:
    """Quantile over overlapping squares of how far the output moves for what the input moves.

    Args:
        output: difference of two translations, (F, 3, S, S).
        moved: difference of their inputs, (F, 3, S, S).
        level: of the quantile, in [0, 1].
    """
    squares = [_local(difference) for difference in (output, moved)]
    return (squares[0] / squares[1]).quantile(level, dim=1)


def _local(difference: Tensor) -> Tensor:
    size = difference.abs().mean(dim=1, keepdim=True)
    block = min(BLOCK, size.shape[-1])
    return F.avg_pool2d(size, block, block // 2).flatten(1) + 10 * _LEAST


def chroma_noise(images: Tensor) -> Tensor:
    """Standard deviation of the noise in red minus green and blue minus green, (F,) in [0, 1].

    Donoho's estimate: median absolute deviation of the finest diagonal Haar coefficients, divided
    by 0.6745; by sqrt(2) besides, because each difference holds the noise of two channels.
    """
    differences = (images[:, 0] - images[:, 1], images[:, 2] - images[:, 1])
    held = torch.cat([_finest_diagonal(plane).abs().flatten(1) for plane in differences], dim=1)
    spread: Tensor = held.median(dim=1).values / 0.6745 / 2**0.5
    return spread


def _finest_diagonal(plane: Tensor) -> Tensor:
    """Diagonal Haar coefficients of planes (F, S, S), (F, S // 2, S // 2)."""
    height, width = (side // 2 * 2 for side in plane.shape[1:])
    even = plane[:, :height, :width]
    a, b = even[:, ::2, ::2], even[:, ::2, 1::2]
    c, d = even[:, 1::2, ::2], even[:, 1::2, 1::2]
    return (a - b - c + d) / 2
