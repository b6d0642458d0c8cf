"""Reads the 17 action units of a face crop.

A small convolutional regressor of our own. It keeps an 8x8 map up to the last layers instead of
averaging over it, because units are told by where lids, brows and lips lie.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magdr_video.models.conditions import ACTION_UNITS


def _stage(inputs: int, outputs: int) -> list[nn.Module]:
    """Two 3x3 convolutions, the first of which halves the side."""
    return [
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


class AUEstimator(nn.Module):
    """Crops in [-1, 1] to action units in [0, 1], in the order of `ACTION_UNITS`.

    Args:
        width: channels after the first convolution; 16 gives about 0.5 M parameters.
        outputs: values read; the same network reads other things inside a generator.
    """

    def __init__(self, *, width: int = 16, outputs: int = len(ACTION_UNITS)) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            *_stage(width, 2 * width),
            *_stage(2 * width, 4 * width),
            *_stage(4 * width, 6 * width),
            nn.Conv2d(6 * width, 2 * width, 1),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(2 * width * 64, 96),
            nn.ReLU(inplace=True),
            nn.Linear(96, outputs),
        )

    def logits(self, crops: Tensor) -> Tensor:
        """Units before clipping, (F, 17): crops are (F, 3, 128, 128) in [-1, 1]."""
        # Light and contrast of the crop say nothing about the muscles: take them out first.
        mean = crops.mean(dim=(1, 2, 3), keepdim=True)
        spread = crops.std(dim=(1, 2, 3), keepdim=True).clamp_min(0.05)
        out: Tensor = self.head(self.body((crops - mean) / spread))
        return out

    def forward(self, crops: Tensor) -> Tensor:
        """Action units (F, 17) in [0, 1] of crops (F, 3, 128, 128) in [-1, 1].

        Raises:
            ValueError: the crops are not 128 px wide and high.
        """
        if tuple(crops.shape[1:]) != (3, 128, 128):
            raise ValueError(f"crops are {tuple(crops.shape)}, expected (F, 3, 128, 128)")
        return torch.clamp(self.logits(crops), 0, 1)
