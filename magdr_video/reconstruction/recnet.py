"""Rec-Net (paper, Algorithm 1): which chain of transforms repairs a region.

The preset's default chain is tried first, since it was fitted offline to the generator; the
search runs only where its score stays high and only within a budget of generator passes
(METHOD 6.4). Candidates are scored on the composite, because InstanceNorm couples all regions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from magdr_video.criteria import psnr_db
from magdr_video.reconstruction.composer import compose
from magdr_video.transforms import BANK, LAYERS
from magdr_video.types import Masks, Recipe, TransformChoice

Score = Callable[[Tensor, Masks], Tensor]
"""Crops (F, 3, S, S) and their masks to S_final (F,), eq. 9; lower is cleaner."""

LEAST_FIDELITY = 26.0
"""dB against the crop below which a candidate is refused: S_final alone falls for heavy blur."""

Chain = tuple[TransformChoice, ...]


def uniform_recipes(masks: Masks, chain: Chain) -> tuple[Recipe, ...]:
    """The same chain for every region."""
    return tuple(Recipe(region, chain) for region in masks.regions)


def faithful(crops: Tensor, candidates: Tensor) -> Tensor:
    """(F,) booleans: candidates close enough to the crops to be trusted."""
    return psnr_db(crops, candidates) >= LEAST_FIDELITY


class RecNet:
    """Chooses recipes for one crop by greedy search, layer by layer.

    Args:
        score: the final score of crops under their masks.
        passes_per_score: generator passes one scored crop costs (1 + K).
        budget: passes the search may spend on one crop.
    """

    def __init__(self, score: Score, *, passes_per_score: int, budget: int) -> None:
        self.score = score
        self.passes_per_score = passes_per_score
        self.budget = budget
        self.spent = 0

    def _score(self, crop: Tensor, masks: Masks, recipes: Sequence[Recipe]) -> float:
        self.spent += self.passes_per_score
        candidate = compose(crop, masks, recipes)
        if not bool(faithful(crop, candidate)[0]):
            return float("inf")
        return float(self.score(candidate, masks)[0])

    def _affordable(self) -> bool:
        return self.spent + self.passes_per_score <= self.budget

    def search(
        self, crop: Tensor, masks: Masks, start: Sequence[Recipe], start_score: float
    ) -> tuple[tuple[Recipe, ...], float]:
        """Improve `start` region by region, largest first; returns recipes and their score.

        Args:
            crop: one crop (1, 3, S, S) in [0, 1].
            masks: its masks.
            start: recipes to begin with, one a region.
            start_score: their score, which the caller has paid for.
        """
        self.spent = 0
        best = {recipe.region: recipe for recipe in start}
        best_score = start_score
        areas = masks.data[0].mean(dim=(1, 2))
        for index in torch.argsort(areas, descending=True).tolist():
            region = masks.regions[index]
            for layer in LAYERS:
                chain, score = self._best_in_layer(crop, masks, best, region, layer, best_score)
                if score < best_score:
                    best[region], best_score = Recipe(region, chain), score
        return tuple(best.values()), best_score

    def _best_in_layer(
        self,
        crop: Tensor,
        masks: Masks,
        best: dict[str, Recipe],
        region: str,
        layer: Sequence[str],
        bar: float,
    ) -> tuple[Chain, float]:
        """Lines 7 to 11: the three best categories at their first setting, then all of theirs."""
        base = best[region].chain
        ranked: list[tuple[float, str]] = []
        found: tuple[Chain, float] = (base, bar)
        for category in layer:
            if category == "identity" or not self._affordable():
                continue
            choice = TransformChoice(category, tuple(BANK[category][1][0].items()))
            chain = (*base, choice)
            score = self._score(crop, masks, [*(best | {region: Recipe(region, chain)}).values()])
            ranked.append((score, category))
            found = min(found, (chain, score), key=lambda pair: pair[1])
        for _, category in sorted(ranked)[:3]:
            for parameters in BANK[category][1][1:]:
                if not self._affordable():
                    return found
                chain = (*base, TransformChoice(category, tuple(parameters.items())))
                held = best | {region: Recipe(region, chain)}
                score = self._score(crop, masks, [*held.values()])
                found = min(found, (chain, score), key=lambda pair: pair[1])
        return found
