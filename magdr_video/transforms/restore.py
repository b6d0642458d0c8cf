"""Restoring sharpness (layer 4 of Rec-Net)."""

from __future__ import annotations

from torch import Tensor

from magdr_video.transforms.denoise import gaussian


def unsharp(images: Tensor, *, amount: float) -> Tensor:
    """Unsharp mask, sigma 1."""
    return (images + amount * (images - gaussian(images, sigma=1.0))).clamp(0, 1)
