"""A detector head on an intermediate layer (Metzen et al., ICLR 2017; row 'Metzen' of table 1).

The network stays frozen; a small convolutional head reads one of its layers and is trained on
clean and attacked images with Adam. Read for a generator: the head sits on the last residual
block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from magdr_video.baselines.bottleneck import bottleneck
from magdr_video.baselines.network_detector import NetworkDetector
from magdr_video.baselines.protocol import Parameter


def head(channels: int, width: int) -> nn.Sequential:
    """Features (F, K, h, w) to logits (F, 1): three convolutions, then the mean over places."""
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(2 * width, 2 * width, 3, padding=1),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(inplace=True),
        nn.Conv2d(2 * width, 1, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@dataclass
class Metzen(NetworkDetector):
    """A convolutional head on the frozen bottleneck."""

    steps: int = 800
    batch: int = 32
    rate: float = 1e-3
    first_layer: str = "0.weight"
    width: int = 32
    name = "metzen"
    paper = "Metzen et al., On Detecting Adversarial Perturbations, ICLR 2017"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of head and training."""
        return {"layer": "last residual block", "width": self.width, **self.training}

    def view(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """The bottleneck, below which nothing moves."""
        return bottleneck(self.translator, crops, condition)

    def architecture(self, channels: int) -> nn.Module:
        """The head."""
        return head(channels, self.width)
