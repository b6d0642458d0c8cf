"""A classifier of outputs (row 'OTD' of table 1).

A convolutional network is trained to tell the translations of clean faces from those of attacked
ones; it never sees the inputs. ResNet-18 (He et al., CVPR 2016) in torchvision's form, from
random weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from magdr_video.baselines.network_detector import NetworkDetector
from magdr_video.baselines.protocol import Parameter


@dataclass
class OutputDetector(NetworkDetector):
    """ResNet-18 on translations."""

    steps: int = 800
    batch: int = 32
    rate: float = 5e-4
    first_layer: str = "conv1.weight"
    name = "otd"
    paper = "output detector of the MagDR paper: ResNet-18, He et al., CVPR 2016"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of the training."""
        return {"network": "resnet18", **self.training}

    def view(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """The draft in [-1, 1]."""
        return draft * 2 - 1

    def architecture(self, channels: int) -> nn.Module:
        """The whole network."""
        from torchvision.models import resnet18

        return cast(nn.Module, resnet18(weights=None, num_classes=1))
