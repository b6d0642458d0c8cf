"""Resampling (layer 3 of Rec-Net)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def down_up(images: Tensor, *, scale: float) -> Tensor:
    """Shrink by `scale` with antialiasing and enlarge again, bicubic."""
    size = images.shape[-2:]
    small = [max(1, round(side * scale)) for side in size]
    kept = F.interpolate(images, small, mode="bicubic", antialias=True, align_corners=False)
    return F.interpolate(kept, size, mode="bicubic", align_corners=False).clamp(0, 1)


def shift_average(images: Tensor, *, pixels: float) -> Tensor:
    """Mean of the four copies shifted by +-`pixels` diagonally (bilinear), borders replicated."""
    height, width = images.shape[-2:]
    reach = math.ceil(pixels)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    out = torch.zeros_like(images)
    for sy in (-pixels, pixels):
        for sx in (-pixels, pixels):
            out += _sample_shifted(padded, reach + sy, reach + sx, height, width)
    return out / 4


def _sample_shifted(padded: Tensor, top: float, left: float, height: int, width: int) -> Tensor:
    y, x = math.floor(top), math.floor(left)
    fy, fx = top - y, left - x
    out: Tensor = torch.zeros_like(padded[..., :height, :width])
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            if wy * wx > 0:
                rows = padded[..., y + dy : y + dy + height, x + dx : x + dx + width]
                out += wy * wx * rows
    return out
