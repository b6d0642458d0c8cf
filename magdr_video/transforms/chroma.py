"""Filters of the colour alone: Lab's a and b change, the lightness stays (layer 1 of Rec-Net).

Anti-Forgery (Wang et al., IJCAI 2022) perturbs a and b only; METHOD 6.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.transforms.denoise import gaussian

CHROMA_UNIT = 110.0
"""Lab's a and b lie within about +-110; L within 0..100."""


def _to_lab(images: Tensor) -> tuple[Tensor, Tensor]:
    """Lightness (F, 1, S, S) in [0, 1] and a, b (F, 2, S, S) in about [-1, 1]."""
    from kornia.color import rgb_to_lab

    lab: Tensor = rgb_to_lab(images)
    return lab[:, :1] / 100, lab[:, 1:] / CHROMA_UNIT


def _to_rgb(lightness: Tensor, chroma: Tensor) -> Tensor:
    from kornia.color import lab_to_rgb

    out: Tensor = lab_to_rgb(torch.cat([lightness * 100, chroma * CHROMA_UNIT], dim=1), clip=True)
    return out


def chroma_gaussian(images: Tensor, *, sigma: float) -> Tensor:
    """Gaussian blur of a and b, sigma in pixels."""
    lightness, chroma = _to_lab(images)
    return _to_rgb(lightness, gaussian(chroma, sigma=sigma))


def chroma_guided(images: Tensor, *, eps: float) -> Tensor:
    """Guided filter of a and b over 5 x 5 pixels, the lightness being the guide (kornia).

    eps is in the unit of the guide, which is the lightness in [0, 1].
    """
    from kornia.filters import guided_blur

    lightness, chroma = _to_lab(images)
    return _to_rgb(lightness, guided_blur(lightness, chroma, 5, eps))
