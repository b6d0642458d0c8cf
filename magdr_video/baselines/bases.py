"""What baselines share: learned ones their facts, reconstructors of images their one step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from magdr_video.baselines.protocol import Generate, Parameter


class Learner(ABC):
    """A baseline with weights of its own, learned for a generator."""

    name: str
    paper: str

    @property
    @abstractmethod
    def parameters(self) -> Mapping[str, Parameter]:
        """The settings it runs with."""

    @property
    def weights_name(self) -> str:
        """Whose weights these are."""
        return self.name

    @property
    def learned(self) -> Mapping[str, Parameter]:
        """All of its settings."""
        return self.parameters

    @property
    def of_generator(self) -> bool:
        """It learns from the generator or its attacked faces."""
        return True

    def shorten(self, share: float) -> None:
        """Nothing to shorten where there are no steps: it is solved, not trained.

        Raises:
            ValueError: the share is negative.
        """
        shortened(1, share)


def shortened(steps: int, share: float) -> int:
    """A share of training steps, at least one.

    Raises:
        ValueError: the share is negative.
    """
    if share < 0:
        raise ValueError(f"a share of {share} training steps cannot be taken")
    return max(1, round(steps * share))


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
