"""ME-Net (Yang et al., ICML 2019; column 'Yang' of table 2).

Values are dropped at random and the picture is estimated from the rest, as a matrix of low rank:
universal singular value thresholding (Chatterjee 2015), one decomposition. The paper trains its
classifier on such pictures, with ten masks each; the generator here is not trained anew, so the
ten estimates of a face are averaged instead of letting one mask's noise stand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.baselines.bases import ImageReconstructor
from magdr_video.baselines.protocol import Parameter


def side_by_side(images: Tensor) -> Tensor:
    """(F, 3, H, W) to (F, H, 3 W): red, green and blue next to each other."""
    return torch.cat(list(images.unbind(dim=1)), dim=2)


def keep_largest(matrices: Tensor, share: float) -> Tensor:
    """The matrices (F, H, W) of the floor(share x H) largest singular values, H at most W."""
    # A GPU decomposes such matrices one by one, slower than a processor does.
    u, values, v = torch.linalg.svd(matrices.cpu(), full_matrices=False)
    kept = math.floor(share * matrices.shape[1])
    low: Tensor = (u[..., :kept] * values[:, None, :kept]) @ v[:, :kept]
    return low.to(matrices)


@dataclass
class MeNet(ImageReconstructor):
    """Mean over masks of low-rank estimates."""

    least: float = 0.8
    most: float = 1.0
    """Range of the probability that a value is kept."""
    masks: int = 10
    share: float = 0.8
    """Of the singular values that are kept."""
    seed: int = 1234
    name = "me-net"
    paper = "Yang et al., ME-Net, ICML 2019"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Those of the paper's code."""
        return {
            "kept": f"{self.least:g} to {self.most:g}",
            "masks": self.masks,
            "estimate": "USVT",
            "share": self.share,
            "seed": self.seed,
        }

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Estimate in [-1, 1], as the paper does, so that a dropped value is grey, not black."""
        joined = side_by_side(crops) * 2 - 1
        draw = torch.Generator().manual_seed(self.seed)
        total = torch.zeros_like(joined)
        for index in range(1, self.masks + 1):
            probability = self.least + index * (self.most - self.least) / self.masks
            mask = torch.rand(joined.shape[1:], generator=draw).to(joined) < probability
            observed = mask.float().mean()
            total += (keep_largest(joined * mask, self.share) / observed).clamp(-1, 1)
        pictures = (total / self.masks + 1) / 2
        return torch.stack(pictures.chunk(3, dim=2), dim=1)
