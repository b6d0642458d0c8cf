"""Restoring sharpness (layer 4 of Rec-Net)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.transforms.denoise import gaussian

BLUR = 0.7
"""Sigma in pixels of the blur that `wiener` undoes: about that of a resampled face crop."""

MARGIN = 8
"""Reflected pixels around a picture, since the Fourier transform wraps around."""


def unsharp(images: Tensor, *, amount: float) -> Tensor:
    """Unsharp mask, sigma 1."""
    return (images + amount * (images - gaussian(images, sigma=1.0))).clamp(0, 1)


def _response(height: int, width: int, sigma: float, like: Tensor) -> Tensor:
    """Transfer function (H, W/2 + 1) of a sampled Gaussian blur; real, since it is even."""
    parts = []
    for side in (height, width):
        at = torch.fft.fftfreq(side, 1 / side).to(like)
        taps = torch.exp(-(at**2) / (2 * sigma**2))
        parts.append(torch.fft.fft(taps / taps.sum()).real)
    out: Tensor = parts[0][:, None] * parts[1][None, : width // 2 + 1]
    return out


def wiener(images: Tensor, *, noise: float, sigma: float = BLUR) -> Tensor:
    """Undo a Gaussian blur by Wiener's filter conj(H) / (|H|^2 + noise), of unit gain at zero.

    Args:
        noise: ratio of the noise's power to the signal's, the same at all frequencies.
        sigma: of the blur, px.
    """
    padded = F.pad(images, (MARGIN,) * 4, mode="reflect")
    height, width = padded.shape[-2:]
    blur = _response(height, width, sigma, images)
    # Without the factor a flat picture would come out darker by 1 + noise.
    inverse = blur / (blur.square() + noise) * (1 + noise)
    sharp: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded) * inverse, s=(height, width))
    return sharp[..., MARGIN:-MARGIN, MARGIN:-MARGIN].clamp(0, 1)
