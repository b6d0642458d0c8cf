"""Region results blended on soft masks (METHOD 6.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from magdr_video.transforms import apply_transform, gaussian
from magdr_video.types import Masks, Recipe, TransformChoice

FEATHER = 2.0
"""Sigma in crop pixels by which region masks are softened before blending."""

Chain = tuple[TransformChoice, ...]


def feathered(masks: Masks) -> Tensor:
    """The masks (F, R, S, S), blurred and renormalised to sum 1 over R."""
    soft = gaussian(masks.data, sigma=FEATHER).clamp(min=0)
    return soft / soft.sum(dim=1, keepdim=True).clamp(min=1e-6)


class Composer:
    """Blends chains on the masks of some crops; a chain's result is computed once and kept.

    Args:
        crops: (F, 3, S, S) in [0, 1].
        masks: of the same F crops.
    """

    def __init__(self, crops: Tensor, masks: Masks) -> None:
        self.masks = masks
        self._results: dict[Chain, Tensor] = {(): crops}
        self._weights: Tensor | None = None

    def result(self, chain: Chain) -> Tensor:
        """The chain on the whole crops, (F, 3, S, S)."""
        held = self._results.get(chain)
        if held is None:
            held = apply_transform(self.result(chain[:-1]), chain[-1])
            self._results[chain] = held
        return held

    def compose(self, chains: Mapping[str, Chain], rows: Sequence[int] | None = None) -> Tensor:
        """x_tilde = sum_i M'_i * R_i(x_hat) of the crops in `rows` (all without).

        Regions that `chains` does not name keep the crop. One chain for all regions is not
        blended at all.
        """
        chosen = slice(None) if rows is None else list(rows)
        wanted = [chains.get(region, ()) for region in self.masks.regions]
        if len(set(wanted)) == 1:
            return self.result(wanted[0])[chosen]
        if self._weights is None:
            self._weights = feathered(self.masks)
        weights = self._weights[chosen]
        out = torch.zeros_like(self.result(())[chosen])
        for index, chain in enumerate(wanted):
            out = out + weights[:, index : index + 1] * self.result(chain)[chosen]
        return out


def chains_of(recipes: Sequence[Recipe]) -> dict[str, Chain]:
    """The chain of each region."""
    return {recipe.region: recipe.chain for recipe in recipes}


def compose(crops: Tensor, masks: Masks, recipes: Sequence[Recipe]) -> Tensor:
    """Apply each region's recipe to the whole crops and blend the results: (F, 3, S, S)."""
    return Composer(crops, masks).compose(chains_of(recipes))
