"""A generator behind the way that a perturbed image takes until it is read."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from magdr_video.translation import Translator


class Reaching:
    """The generator as it sees images that have come a way; an attack on it survives the way.

    Args:
        translator: the generator.
        way: images (F, 3, S, S) to what arrives of them, with gradients.
    """

    def __init__(self, translator: Translator, way: Callable[[Tensor], Tensor]) -> None:
        self.translator, self.way = translator, way

    def __call__(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate what arrives."""
        return self.translator(self.way(crops), condition)

    def activations(self, crops: Tensor, condition: Tensor, layer: int) -> Tensor:
        """See `Translator.activations`."""
        return self.translator.activations(self.way(crops), condition, layer)
