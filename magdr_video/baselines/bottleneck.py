"""The generator's last residual block, where several detectors look."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.translation import Translator


@torch.no_grad()
def bottleneck(translator: Translator, crops: Tensor, condition: Tensor, batch: int = 16) -> Tensor:
    """Features (F, K, S/4, S/4) of crops (F, 3, S, S), in pieces of `batch`."""
    if len(crops) == 0:
        return torch.zeros(0, 1, crops.shape[-2] // 4, crops.shape[-1] // 4)
    pieces = zip(torch.split(crops, batch), torch.split(condition, batch), strict=True)
    return torch.cat([translator.features(*piece) for piece in pieces])


def pooled(features: Tensor, grid: int) -> Tensor:
    """Mean of each of grid^2 cells of every channel, (F, K grid^2), on the CPU."""
    return F.adaptive_avg_pool2d(features, grid).flatten(1).cpu()
