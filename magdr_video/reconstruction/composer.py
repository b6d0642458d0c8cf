"""Region results blended on soft masks (METHOD 6.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from magdr_video.transforms import apply_chain, gaussian
from magdr_video.types import Masks, Recipe

FEATHER = 2.0
"""Sigma in crop pixels by which region masks are softened before blending."""


def feathered(masks: Masks) -> Tensor:
    """The masks (F, R, S, S), blurred and renormalised to sum 1 over R."""
    soft = gaussian(masks.data, sigma=FEATHER).clamp(min=0)
    return soft / soft.sum(dim=1, keepdim=True).clamp(min=1e-6)


def compose(crops: Tensor, masks: Masks, recipes: Sequence[Recipe]) -> Tensor:
    """Apply each region's recipe to the whole crop and blend the results: (F, 3, S, S).

    x_tilde = sum_i M'_i * R_i(x_hat). Regions without a recipe keep the crop. Equal chains are
    computed once; one chain for all regions is not blended at all.
    """
    chains = {recipe.region: recipe.chain for recipe in recipes}
    wanted = [chains.get(region, ()) for region in masks.regions]
    results = {chain: apply_chain(crops, chain) for chain in set(wanted)}
    if len(results) == 1:
        return next(iter(results.values()))
    weights = feathered(masks)
    out = torch.zeros_like(crops)
    for index, chain in enumerate(wanted):
        out = out + weights[:, index : index + 1] * results[chain]
    return out
