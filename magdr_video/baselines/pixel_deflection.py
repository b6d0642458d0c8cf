"""Pixel deflection (Prakash et al., CVPR 2018; column 'Prakash' of table 2).

A few values are replaced by ones from nearby, each channel apart, then wavelets denoise. The
paper's 200 deflections belong to 299 x 299 pixels and are scaled by area; its optional activation
map needs a classifier and is left out, as the paper allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.baselines.bases import ImageReconstructor
from magdr_video.baselines.protocol import Parameter
from magdr_video.baselines.ycbcr_wavelet import wavelet_ycbcr

PAPER_SIZE, PAPER_DEFLECTIONS = 299, 200


def deflections_at(size: int) -> int:
    """37 at 128 px, 147 at 256."""
    return round(PAPER_DEFLECTIONS * (size / PAPER_SIZE) ** 2)


def deflect(images: Tensor, count: int, window: int, draw: torch.Generator) -> Tensor:
    """Replace `count` values by neighbours at most `window` pixels away, one after the other.

    Places are drawn on the CPU and are the same for every face; the channel goes round.
    """
    height, width = images.shape[-2:]
    out = images.clone()

    def pick(low: int, high: int) -> int:
        return int(torch.randint(low, high, (1,), generator=draw))

    for index in range(count):
        y, x = pick(0, height), pick(0, width)
        # Drawn from the part of the window that lies inside, as by drawing until it does.
        from_y = pick(max(0, y - window), min(height, y + window + 1))
        from_x = pick(max(0, x - window), min(width, x + window + 1))
        out[:, index % 3, y, x] = out[:, index % 3, from_y, from_x]
    return out


@dataclass
class PixelDeflection(ImageReconstructor):
    """Deflect, then denoise."""

    window: int = 10
    sigma: float = 0.04
    seed: int = 1234
    name = "pixel-deflection"
    paper = "Prakash et al., CVPR 2018"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Those of the paper; deflections follow the area."""
        return {
            "deflections": f"{PAPER_DEFLECTIONS} per {PAPER_SIZE} x {PAPER_SIZE} px",
            "window": self.window,
            "sigma": self.sigma,
            "wavelet": "Haar, BayesShrink, soft, YCbCr",
            "seed": self.seed,
        }

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Deflected and denoised crops."""
        draw = torch.Generator().manual_seed(self.seed)
        deflected = deflect(crops, deflections_at(crops.shape[-1]), self.window, draw)
        return wavelet_ycbcr(deflected, sigma=self.sigma)
