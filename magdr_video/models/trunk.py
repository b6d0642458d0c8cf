"""The convolutional trunk that StarGAN and GANimation share.

Source: StarGAN (Choi et al., CVPR 2018), appendix, table 4. Zero padding everywhere; the
condition is spread over the image and concatenated after its channels.

The published weights were trained with per-image statistics (InstanceNorm in train mode).
InstanceNorm is therefore built without running statistics, so that `eval()` changes nothing and
an image's output does not depend on its batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def to_model_range(images: Tensor) -> Tensor:
    """Map images from [0, 1] to the models' [-1, 1]."""
    return images * 2 - 1


def from_model_range(images: Tensor) -> Tensor:
    """Map model output from [-1, 1] to [0, 1], clamped."""
    return ((images + 1) / 2).clamp(0, 1)


def instance_norm(channels: int, *, affine: bool = True) -> nn.InstanceNorm2d:
    """InstanceNorm without running statistics (see the module docstring)."""
    return nn.InstanceNorm2d(channels, affine=affine, track_running_stats=False)


class ResidualBlock(nn.Module):
    """x + f(x) with two 3x3 convolutions; keys `main.{0,1,3,4}`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            instance_norm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            instance_norm(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(F, C, h, w) to the same."""
        out: Tensor = x + self.main(x)
        return out


def trunk_layers(inputs: int, width: int, blocks: int) -> list[nn.Module]:
    """Layers `main.0` .. `main.{14 + blocks}`: two steps down, the blocks, two steps up."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, width, 7, padding=3, bias=False),
        instance_norm(width),
        nn.ReLU(inplace=True),
    ]
    for channels in (width, 2 * width):
        layers += [
            nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1, bias=False),
            instance_norm(2 * channels),
            nn.ReLU(inplace=True),
        ]
    layers += [ResidualBlock(4 * width) for _ in range(blocks)]
    for channels in (4 * width, 2 * width):
        layers += [
            nn.ConvTranspose2d(channels, channels // 2, 4, stride=2, padding=1, bias=False),
            instance_norm(channels // 2),
            nn.ReLU(inplace=True),
        ]
    return layers


def spread_condition(images: Tensor, condition: Tensor) -> Tensor:
    """Append a condition (F, C), constant over the image, to the channels of (F, 3, S, S)."""
    height, width = images.shape[-2:]
    planes = condition.to(images.dtype)[:, :, None, None].expand(-1, -1, height, width)
    return torch.cat([images, planes], dim=1)


def blend_by_attention(images: Tensor, attention: Tensor, colour: Tensor) -> Tensor:
    """GANimation, eq. 1: attention 1 keeps the input pixel, 0 takes the colour head's."""
    return attention * images + (1 - attention) * colour
