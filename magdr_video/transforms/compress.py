"""Compression and quantisation (layer 2 of Rec-Net), and what attackers differentiate instead."""

from __future__ import annotations

import io

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from magdr_video.device import side_by_side

BLOCK = 16
"""Side in pixels of the units of a 4:2:0 JPEG."""


def _round_trip(images: Tensor, form: str, quality: int) -> Tensor:
    """Through a file of Pillow's and back; 8 bits on the way in."""
    if len(images) == 0:
        return images
    levels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8)

    def through_file(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        held = io.BytesIO()
        Image.fromarray(picture).save(held, form, quality=quality)
        return np.asarray(Image.open(held).convert("RGB"))

    decoded = side_by_side(through_file, levels.permute(0, 2, 3, 1).cpu().numpy())
    stacked = torch.from_numpy(np.stack(decoded)).to(images.device)
    return stacked.permute(0, 3, 1, 2).to(images.dtype) / 255


def jpeg(images: Tensor, *, quality: float) -> Tensor:
    """A real JPEG round trip (Pillow, 4:2:0)."""
    return _round_trip(images, "JPEG", int(quality))


def webp(images: Tensor, *, quality: float) -> Tensor:
    """A real lossy WebP round trip (Pillow)."""
    return _round_trip(images, "WEBP", int(quality))


def jpeg_surrogate(images: Tensor, *, quality: float) -> Tensor:
    """A JPEG with a differentiable rounding (kornia), for BPDA (Athalye et al., ICML 2018).

    Near the real one (about 40 dB), not equal to it: never a result, only a gradient.
    """
    from kornia.enhance import jpeg_codec_differentiable

    height, width = images.shape[-2:]
    pad = (0, -width % BLOCK, 0, -height % BLOCK)
    whole = F.pad(images, pad, mode="replicate") if any(pad) else images
    level = whole.new_full((len(whole),), float(quality))
    out: Tensor = jpeg_codec_differentiable(whole.clamp(0, 1), level)
    return out[..., :height, :width].clamp(0, 1)


def bit_depth(images: Tensor, *, bits: float) -> Tensor:
    """Quantise to 2^bits levels."""
    levels = 2 ** int(bits) - 1
    out: Tensor = (images * levels).round() / levels
    return out


def low_rank(images: Tensor, *, energy: float) -> Tensor:
    """Keep the largest singular values, as ME-Net does (Yang et al., ICML 2019; USVT).

    The channels, each less its mean, stand side by side as one (S, 3 S) matrix; the fewest
    singular values whose sum reaches `energy` of the sum of all are kept. (Of the sum of squares
    a handful would reach it: that is 25 dB on faces at 0.95.) Gradients hold the kept space fixed.
    """
    count, channels, height, width = images.shape
    mean = images.mean(dim=(2, 3), keepdim=True)
    matrix = (images - mean).transpose(1, 2).reshape(count, height, channels * width)
    with torch.no_grad():
        # Of the small Gram matrix, in double: its eigenvalues are the squared singular values.
        held = matrix.double()
        squares, vectors = torch.linalg.eigh(held @ held.transpose(1, 2))
        values = squares.clamp(min=0).sqrt().flip(1)
        before = values.cumsum(dim=1) - values
        kept = before < energy * values.sum(dim=1, keepdim=True)
        basis = vectors.flip(2) * kept[:, None, :]
        projection = (basis @ basis.transpose(1, 2)).to(images.dtype)
    low = (projection @ matrix).reshape(count, height, channels, width)
    out: Tensor = (low.transpose(1, 2) + mean).clamp(0, 1)
    return out
