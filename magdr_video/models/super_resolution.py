"""A small network that doubles the size of an image, in the manner of EDSR.

Source: Lim et al., "Enhanced Deep Residual Networks for Single Image Super-Resolution", CVPR
workshops 2017: residual blocks without norms, then a pixel shuffle. Ours adds its result to a
bicubic enlargement, so that a short training has only the detail to learn.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PlainBlock(nn.Module):
    """x + conv(relu(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(F, C, h, w) to the same."""
        out: Tensor = x + self.body(x)
        return out


class SuperResolution(nn.Module):
    """Images (F, 3, S, S) in [0, 1] to (F, 3, 2 S, 2 S), not clamped.

    Args:
        width: channels (64 in EDSR-baseline).
        blocks: residual blocks (16 in EDSR-baseline).
    """

    scale = 2

    def __init__(self, *, width: int = 24, blocks: int = 4) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*(PlainBlock(width) for _ in range(blocks)))
        self.tail = nn.Sequential(
            nn.Conv2d(width, 4 * width, 3, padding=1),
            nn.PixelShuffle(2),
            nn.Conv2d(width, 3, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Enlarge."""
        large = F.interpolate(images, scale_factor=2, mode="bicubic", align_corners=False)
        features = self.head(images - 0.5)
        out: Tensor = large + self.tail(features + self.blocks(features))
        return out


def untrained(width: int, blocks: int, seed: int) -> SuperResolution:
    """The network with seeded weights and a last layer of zeros: a bicubic enlargement at first."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = SuperResolution(width=width, blocks=blocks)
    last = net.tail[2]
    assert isinstance(last, nn.Conv2d) and last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return net
