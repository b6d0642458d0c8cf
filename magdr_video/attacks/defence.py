"""What an attacker who knows the whole defence works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Path = Callable[[Tensor, int], Tensor]
"""Crops (F, 3, S, S) and a seed of the random choices to reconstructed crops; differentiable."""


@dataclass(frozen=True)
class Defence:
    """The defence as a bundle of callables, so that any defence can be attacked.

    Whatever is not differentiable must come with a stand-in for its gradient (`straight_through`).
    """

    paths: tuple[Path, ...]
    """Candidate ways through the reconstructor, that of a clean verdict (identity) among them."""
    score: Callable[[Tensor, Tensor], Tensor] | None = None
    """Crops and conditions (F, C) to S_final (F,), lower is cleaner; differentiable. None where
    nothing is detected."""
    defended: Callable[[Tensor, Tensor], Tensor] | None = None
    """Crops and conditions to what the real defence translates, no gradients: judges restarts
    and step sizes. None judges them by the paths."""
    select: Callable[[slice], Defence] | None = None
    """The bundle for some of the faces, where its callables hold something of each face, such
    as masks; None where they do not."""

    def piece(self, faces: slice) -> Defence:
        """The bundle for a slice of the faces."""
        return replace(self) if self.select is None else self.select(faces)


def straight_through(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """BPDA with the identity as stand-in: the function's values, the identity's gradient.

    Source: Athalye et al., ICML 2018. Right for functions near the identity: JPEG, quantisation,
    a choice among near copies.
    """

    def passed(images: Tensor) -> Tensor:
        with torch.no_grad():
            change = function(images) - images
        return images + change

    return passed
