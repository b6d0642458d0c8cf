"""Rec-Net's choice (paper, Algorithm 1, lines 7 to 11): which chains repair a face.

The smallest S_final alone falls for heavy smoothing (METHOD 12). The search therefore begins with
the chain that fitted best offline, tries only transforms that fitted well, keeps nothing that
strays far from the crop, and takes what it found only where that beats the start by a margin that
was fitted too. Candidates are scored on the composite, because InstanceNorm couples all regions,
and all candidates of a step, of all faces, are scored in one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magdr_video.criteria import psnr_db
from magdr_video.reconstruction.composer import Chain, Composer
from magdr_video.reconstruction.fitted import Fit
from magdr_video.transforms import BANK
from magdr_video.types import Masks, Recipe, TransformChoice

Score = Callable[[Tensor, Masks, Sequence[int]], Tensor]
"""Candidates (F, 3, S, S), their masks and the face that each is of, to S_final (F,)."""

LEAST_FIDELITY = 26.0
"""dB against the crop below which a candidate is refused: S_final alone falls for heavy blur."""

BEAM = 3
"""Categories of a layer whose other settings are tried (line 8)."""

Plan = dict[str, Chain]
"""The chain of each region."""


def uniform_recipes(masks: Masks, chain: Chain) -> tuple[Recipe, ...]:
    """The same chain for every region."""
    return tuple(Recipe(region, chain) for region in masks.regions)


def faithful(crops: Tensor, candidates: Tensor) -> Tensor:
    """(F,) booleans: candidates close enough to the crops to be trusted."""
    return psnr_db(crops, candidates) >= LEAST_FIDELITY


def take(masks: Masks, rows: Sequence[int]) -> Masks:
    """The masks of some faces."""
    return Masks(masks.data[list(rows)], masks.regions, masks.target)


@dataclass
class Found:
    """The best that was found for one face so far."""

    plan: Plan
    score: float
    budget: int
    """Generator passes that may be spent."""
    spent: int = 0
    """Those that were."""
    order: list[str] = field(default_factory=list)
    """Regions, largest first."""

    @property
    def recipes(self) -> tuple[Recipe, ...]:
        """The plan as recipes."""
        return tuple(Recipe(region, chain) for region, chain in self.plan.items())


class RecNet:
    """Improves the recipes of some faces within budgets.

    Args:
        score: the final score of candidates.
        layers: Q_i, the settings that fitted well, layer by layer.
        margin: S_final by which the start must be beaten in the end.
        passes_per_score: generator passes one scored candidate costs.
        enough: S_final at which a face needs no further search.
    """

    def __init__(
        self,
        score: Score,
        *,
        layers: Sequence[Sequence[TransformChoice]],
        margin: float,
        passes_per_score: int,
        enough: float = float("-inf"),
    ) -> None:
        self.score = score
        self.layers = layers
        self.margin = margin
        self.passes_per_score = passes_per_score
        self.enough = enough

    def search(
        self,
        crops: Tensor,
        masks: Masks,
        fit: Fit,
        start: Sequence[Sequence[Recipe]],
        scores: Sequence[float],
        *,
        budgets: Sequence[int],
        origin: Tensor | None = None,
    ) -> list[Found]:
        """Improve each face's recipes: whole chains first, then region by region.

        Args:
            crops: (F, 3, S, S) in [0, 1], what the chains are applied to.
            masks: their masks.
            fit: the chains that fitted this kind of crop.
            start: each face's recipes to begin with, one a region.
            scores: their S_final, which the caller has paid for.
            budgets: generator passes that the search may spend on each face.
            origin: what candidates must stay close to; the crops without.

        Returns:
            One result a face; its score is `scores` where nothing better was found.
        """
        composer = Composer(crops, masks)
        origin = crops if origin is None else origin
        areas = masks.data.mean(dim=(2, 3))
        found = []
        given = zip(start, scores, budgets, strict=True)
        for face, (recipes, score, budget) in enumerate(given):
            ranks = torch.argsort(areas[face], descending=True).tolist()
            plan = {recipe.region: recipe.chain for recipe in recipes}
            order = [masks.regions[rank] for rank in ranks]
            found.append(Found(plan, score, budget, order=order))
        begun = [(one.plan, one.score) for one in found]
        whole = [dict.fromkeys(masks.regions, chain) for chain in fit.candidates]
        self._try(composer, origin, found, [[p for p in whole if p != f.plan] for f in found])
        for place in range(len(masks.regions)):
            for layer in self.layers:
                self._layer(composer, origin, found, place, layer)
        for one, (plan, score) in zip(found, begun, strict=True):
            if one.score >= score - self.margin:
                one.plan, one.score = plan, score
        return found

    def _layer(
        self,
        composer: Composer,
        origin: Tensor,
        found: list[Found],
        place: int,
        layer: Sequence[TransformChoice],
    ) -> None:
        """Lines 7 to 11 for one region of each face: the best categories, then their settings."""
        bases = [dict(one.plan) for one in found]
        first = [
            [_extended(base, one.order[place], choice) for choice in layer]
            for base, one in zip(bases, found, strict=True)
        ]
        ranked = self._try(composer, origin, found, first)
        second = []
        for base, one, scores in zip(bases, found, ranked, strict=True):
            best = sorted(range(len(scores)), key=scores.__getitem__)[:BEAM]
            settings = [other for index in best for other in _others(layer[index])]
            second.append([_extended(base, one.order[place], choice) for choice in settings])
        self._try(composer, origin, found, second)

    def _try(
        self,
        composer: Composer,
        origin: Tensor,
        found: list[Found],
        options: Sequence[Sequence[Plan]],
    ) -> list[list[float]]:
        """Score what each face can afford of its options, in one batch; keep what is better."""
        pairs: list[tuple[int, Plan]] = []
        for face, plans in enumerate(options):
            pairs += [(face, plan) for plan in plans[: self._room(found[face])]]
        values = self._scores(composer, origin, pairs)
        scores: list[list[float]] = [[] for _ in found]
        for (face, plan), value in zip(pairs, values, strict=True):
            one = found[face]
            scores[face].append(value)
            one.spent += self.passes_per_score if value < float("inf") else 0
            if value < one.score:
                one.plan, one.score = plan, value
        return scores

    def _room(self, one: Found) -> int:
        """Candidates that may still be scored for a face."""
        if one.score <= self.enough:
            return 0
        return max((one.budget - one.spent) // self.passes_per_score, 0)

    def _scores(
        self, composer: Composer, origin: Tensor, pairs: Sequence[tuple[int, Plan]]
    ) -> list[float]:
        """S_final of each (face, plan); infinite where the candidate strays, which is free."""
        if not pairs:
            return []
        faces = [face for face, _ in pairs]
        candidates = torch.cat([composer.compose(plan, [face]) for face, plan in pairs])
        kept = faithful(origin[faces], candidates).nonzero()[:, 0].tolist()
        values = [float("inf")] * len(pairs)
        if kept:
            owners = [faces[index] for index in kept]
            seen = self.score(candidates[kept], take(composer.masks, owners), owners)
            for index, value in zip(kept, seen.tolist(), strict=True):
                values[index] = value
        return values


def _extended(plan: Plan, region: str, choice: TransformChoice) -> Plan:
    return plan | {region: (*plan[region], choice)}


def _others(choice: TransformChoice) -> list[TransformChoice]:
    """The other settings of a choice's category."""
    settings = [tuple(held.items()) for held in BANK[choice.category].grid]
    return [
        TransformChoice(choice.category, held, choice.seed)
        for held in settings
        if held != choice.parameters
    ]
