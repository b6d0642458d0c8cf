"""A control for brittleness: noise that is as strong as what a filter takes away, but unaimed.

An adversarial perturbation moves the output far more than noise of equal power, because it points
along the generator's gradient; camera noise and sharpening do not. The control keeps the
magnitude of the removed residual at every pixel and draws its signs anew, so that only the aim is
lost. Reading the two outputs beside each other costs one generator pass.
"""

from __future__ import annotations

import torch
from torch import Tensor

SIGN_SEED = 3
"""One pattern of signs for every crop, so that results do not depend on the batch."""


def unaimed_copy(crops: Tensor, smoothed: Tensor) -> Tensor:
    """The smoothed crops with their residual put back under random signs, (F, 3, S, S) in [0, 1].

    Args:
        crops: (F, 3, S, S) in [0, 1].
        smoothed: the same crops after a denoising filter.
    """
    draw = torch.Generator().manual_seed(SIGN_SEED)
    heads = torch.rand(crops.shape[1:], generator=draw) < 0.5
    signs = heads.to(crops) * 2 - 1
    return (smoothed + signs * (crops - smoothed)).clamp(0, 1)
