"""Wavelet shrinkage (BayesShrink, soft), batched on the device; no library runs it so.

Source: Chang, Yu and Vetterli, IEEE TIP 2000 (the thresholds); Coifman and Donoho 1995 (cycle
spinning); Daubechies, Ten Lectures on Wavelets, 1992, table 8.1 (the filters). Same as
scikit-image's `denoise_wavelet(method="BayesShrink", mode="soft")`, which is the reference.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.transforms.noise import MAD_TO_DEVIATION

HAAR = (math.sqrt(0.5), math.sqrt(0.5))
SYM4 = (
    -0.07576571478927333, -0.02963552764599851, 0.49761866763201545, 0.8037387518059161,
    0.29785779560527736, -0.09921954357684722, -0.012603967262037833, 0.0322231006040427,
)  # fmt: skip
"""Low-pass analysis filters; the least asymmetric one with four vanishing moments, and Haar's."""

LEVELS = 3

Detail = tuple[Tensor, Tensor, Tensor]
"""Horizontal, vertical and diagonal coefficients of a level, (N, 1, h, w) each."""


def _filters(low: tuple[float, ...], like: Tensor) -> tuple[Tensor, Tensor]:
    """Low and high pass of the analysis, as correlation kernels (they are given reversed)."""
    lo = like.new_tensor(low).flip(0)
    signs = like.new_tensor([(-1.0) ** (n + 1) for n in range(len(low))])
    # Quadrature mirror: the high pass is the reversed low pass with alternating signs.
    hi = (like.new_tensor(low).flip(0) * signs).flip(0)
    return lo, hi


def _extended(values: Tensor, reach: int, axis: int) -> Tensor:
    """Half-sample symmetric extension along an axis: ...b a | a b c | c b..."""
    size = values.shape[axis]
    at = torch.arange(-reach, size + reach, device=values.device) % (2 * size)
    at = torch.where(at < size, at, 2 * size - 1 - at)
    return values.index_select(axis, at)


def _shaped(kernel: Tensor, axis: int) -> Tensor:
    return kernel.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))


def _analyse(values: Tensor, filters: tuple[Tensor, Tensor], axis: int) -> tuple[Tensor, Tensor]:
    taps = len(filters[0])
    padded = _extended(values, taps - 1, axis).narrow(
        axis, 1, values.shape[axis] + 2 * (taps - 1) - 1
    )
    stride = (2, 1) if axis == 2 else (1, 2)
    low, high = (F.conv2d(padded, _shaped(f, axis), stride=stride) for f in filters)
    return low, high


def _synthesise(
    low: Tensor, high: Tensor, filters: tuple[Tensor, Tensor], axis: int, size: int
) -> Tensor:
    taps = len(filters[0])
    stride = (2, 1) if axis == 2 else (1, 2)
    whole = F.conv_transpose2d(low, _shaped(filters[0], axis), stride=stride)
    whole = whole + F.conv_transpose2d(high, _shaped(filters[1], axis), stride=stride)
    return whole.narrow(axis, taps - 2, size)


def decompose(planes: Tensor, low: tuple[float, ...], levels: int) -> tuple[Tensor, list[Detail]]:
    """Approximation and details, finest first, of planes (N, 1, H, W)."""
    filters = _filters(low, planes)
    details = []
    for _ in range(levels):
        down, up = _analyse(planes, filters, 2)
        approximation, vertical = _analyse(down, filters, 3)
        horizontal, diagonal = _analyse(up, filters, 3)
        details.append((horizontal, vertical, diagonal))
        planes = approximation
    return planes, details


def recompose(
    approximation: Tensor, details: list[Detail], low: tuple[float, ...], size: tuple[int, int]
) -> Tensor:
    """The planes (N, 1, H, W) of which `decompose` made these; `size` is (H, W)."""
    filters = _filters(low, approximation)
    sizes = [size, *(d[0].shape[-2:] for d in details[:-1])]
    for (horizontal, vertical, diagonal), (height, width) in zip(
        reversed(details), reversed(sizes), strict=True
    ):
        # One level down a side may have one coefficient more than its details need.
        approximation = approximation[..., : horizontal.shape[-2], : horizontal.shape[-1]]
        down = _synthesise(approximation, vertical, filters, 3, width)
        up = _synthesise(horizontal, diagonal, filters, 3, width)
        approximation = _synthesise(down, up, filters, 2, height)
    return approximation


def _soft(coefficients: Tensor, variance: Tensor) -> Tensor:
    """Soft threshold at variance / deviation of the signal, each plane by its own."""
    power = coefficients.square().mean(dim=(-2, -1), keepdim=True)
    tiny = torch.finfo(coefficients.dtype).eps
    threshold = variance / (power - variance).clamp(min=tiny).sqrt()
    return torch.sign(coefficients) * (coefficients.abs() - threshold).clamp(min=0)


def _shrink(images: Tensor, low: tuple[float, ...], noise: float) -> Tensor:
    count, channels, height, width = images.shape
    planes = images.reshape(-1, 1, height, width)
    approximation, details = decompose(planes, low, LEVELS)
    if noise > 0:
        deviation = torch.full_like(planes[..., :1, :1], noise)
    else:
        finest = details[0][2].abs().flatten(1).quantile(0.5, dim=1)
        deviation = (finest * MAD_TO_DEVIATION)[:, None, None, None]
    variance = deviation.square()
    kept: list[Detail] = [
        (_soft(h, variance), _soft(v, variance), _soft(d, variance)) for h, v, d in details
    ]
    out = recompose(approximation, kept, low, (height, width))
    return out.reshape(count, channels, height, width)


def wavelet_haar(images: Tensor, *, noise: float) -> Tensor:
    """Shrink Haar coefficients; `noise` is a standard deviation in [0, 1], 0 estimates it."""
    return _shrink(images, HAAR, noise).clamp(0, 1)


def wavelet_sym4(images: Tensor, *, noise: float) -> Tensor:
    """Shrink sym4 coefficients, averaged over the four shifts by 0 or 1 px (cycle spinning)."""
    shifts = [(dy, dx) for dy in (0, 1) for dx in (0, 1)]
    spun = torch.cat([images.roll(shift, (2, 3)) for shift in shifts])
    parts = _shrink(spun, SYM4, noise).chunk(len(shifts)) if len(images) else [images] * 4
    total = torch.zeros_like(images)
    for part, (dy, dx) in zip(parts, shifts, strict=True):
        total = total + part.roll((-dy, -dx), (2, 3))
    return (total / len(shifts)).clamp(0, 1)
