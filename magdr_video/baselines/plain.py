"""Reconstructors that only change the image: the step that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from magdr_video.baselines.protocol import Generate, Parameter


class ImageReconstructor(ABC):
    """Reconstruct, then translate as usual."""

    name: str
    paper: str

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Parameter]:
        """The settings it runs with."""

    @abstractmethod
    def reconstruct(self, crops: Tensor) -> Tensor:
        """Attacked crops (F, 3, S, S) in [0, 1] to reconstructed ones."""

    def translate(self, generate: Generate, crops: Tensor, condition: Tensor) -> Tensor:
        """The translation of the reconstructed crops."""
        return generate(self.reconstruct(crops), condition)
