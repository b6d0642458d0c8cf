"""Compression and quantisation (layer 2 of Rec-Net)."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def jpeg(images: Tensor, *, quality: float) -> Tensor:
    """A real JPEG round trip (Pillow, 4:2:0)."""
    levels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    decoded = []
    for picture in levels.permute(0, 2, 3, 1).cpu().numpy():
        held = io.BytesIO()
        Image.fromarray(picture).save(held, "JPEG", quality=int(quality))
        decoded.append(np.asarray(Image.open(held)))
    if not decoded:
        return images
    stacked = torch.from_numpy(np.stack(decoded)).to(images.device)
    return stacked.permute(0, 3, 1, 2).to(images.dtype) / 255


def bit_depth(images: Tensor, *, bits: float) -> Tensor:
    """Quantise to 2^bits levels."""
    levels = 2 ** int(bits) - 1
    out: Tensor = (images * levels).round() / levels
    return out
