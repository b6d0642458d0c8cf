"""Resampling (layer 3 of Rec-Net)."""

from __future__ import annotations

import functools
import math
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Matrix: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

LOBES = 3
"""Of Lanczos' kernel, on each side."""

GROWTH = (1.04, 1.11)
"""Range of the random enlargement: 310 to 331 of 299 pixels (Xie et al., ICLR 2018)."""

EIGHT = ((-1, -1), (-1, 1), (1, -1), (1, 1), (-1, 0), (0, -1), (0, 1), (1, 0))
"""Directions (y, x) of shifts, the four diagonal ones first."""


def down_up(images: Tensor, *, scale: float) -> Tensor:
    """Shrink by `scale` with antialiasing and enlarge again, bicubic."""
    size = images.shape[-2:]
    small = [max(1, round(side * scale)) for side in size]
    kept = F.interpolate(images, small, mode="bicubic", antialias=True, align_corners=False)
    return F.interpolate(kept, size, mode="bicubic", align_corners=False).clamp(0, 1)


@functools.lru_cache(maxsize=64)
def _lanczos_matrix(source: int, size: int) -> Matrix:
    """Weights (size, source): widened when shrinking, cut off and renormalised at borders.

    Convention: pixel centres at half integers (align_corners=False), as in Pillow.
    """
    ratio = source / size
    widened = max(1.0, ratio)
    matrix = np.zeros((size, source))
    for i in range(size):
        centre = (i + 0.5) * ratio
        first = max(0, int(centre - LOBES * widened + 0.5))
        last = min(source, int(centre + LOBES * widened + 0.5))
        x = (np.arange(first, last) - centre + 0.5) / widened
        weights = np.sinc(x) * np.sinc(x / LOBES) * (np.abs(x) < LOBES)
        matrix[i, first:last] = weights / weights.sum()
    return matrix


def resize_lanczos(images: Tensor, height: int, width: int) -> Tensor:
    """Resize by Lanczos (a = 3) as Pillow does; the result may leave [0, 1] at edges."""
    down = images.new_tensor(_lanczos_matrix(images.shape[-2], height))
    across = images.new_tensor(_lanczos_matrix(images.shape[-1], width))
    return down @ images @ across.T


def down_up_lanczos(images: Tensor, *, scale: float) -> Tensor:
    """Shrink by `scale` and enlarge again, Lanczos."""
    height, width = images.shape[-2:]
    small = [max(1, round(side * scale)) for side in (height, width)]
    return resize_lanczos(resize_lanczos(images, *small), height, width).clamp(0, 1)


def _sampled(places: NDArray[Any], source: int) -> Matrix:
    """Linear interpolation at places (n,) in pixels, clamped to the borders: (n, source)."""
    places = places.clip(0, source - 1)
    low = np.floor(places).astype(int).clip(max=max(source - 2, 0))
    matrix = np.zeros((len(places), source))
    rows = np.arange(len(places))
    matrix[rows, low] += 1 - (places - low)
    matrix[rows, np.minimum(low + 1, source - 1)] += places - low
    return matrix


@functools.lru_cache(maxsize=64)
def _there_and_back(side: int, growth: float, offset: float) -> Matrix:
    """Enlarge a line by `growth`, shifted by `offset` of its pixels, and undo it: (side, side)."""
    large = math.ceil(side * growth) + 2
    up = _sampled((np.arange(large) - offset + 0.5) / growth - 0.5, side)
    back = _sampled((np.arange(side) + 0.5) * growth - 0.5 + offset, large)
    return np.asarray(back @ up)


def random_resize(images: Tensor, *, draws: float, seed: int = 0) -> Tensor:
    """Enlarge at random by 1.04 to 1.11 at a random offset, and undo it; mean of some draws.

    After Xie et al., ICLR 2018, with the inverse that an image-to-image model needs; bilinear,
    since their nearest pixels would come back as they were. The draws depend on the seed alone.
    """
    rng = np.random.default_rng(seed)
    total = torch.zeros_like(images)
    for _ in range(int(draws)):
        growth, *offsets = rng.uniform((GROWTH[0], 0, 0), (GROWTH[1], 1, 1))
        down, across = (
            images.new_tensor(_there_and_back(side, growth, offset))
            for side, offset in zip(images.shape[-2:], offsets, strict=True)
        )
        total = total + down @ images @ across.T
    return total / int(draws)


def shift_average(images: Tensor, *, pixels: float, shifts: float = 4) -> Tensor:
    """Mean of 4 copies shifted by +-`pixels` diagonally, or of 8 with the straight ones too.

    Bilinear, borders replicated.
    """
    height, width = images.shape[-2:]
    reach = math.ceil(pixels)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    out = torch.zeros_like(images)
    chosen = EIGHT[: int(shifts)]
    for sy, sx in chosen:
        top, left = reach + sy * pixels, reach + sx * pixels
        out = out + _sample_shifted(padded, top, left, height, width)
    return out / len(chosen)


def _sample_shifted(padded: Tensor, top: float, left: float, height: int, width: int) -> Tensor:
    y, x = math.floor(top), math.floor(left)
    fy, fx = top - y, left - x
    out = torch.zeros_like(padded[..., :height, :width])
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            if wy * wx > 0:
                rows = padded[..., y + dy : y + dy + height, x + dx : x + dx + width]
                out = out + wy * wx * rows
    return out
