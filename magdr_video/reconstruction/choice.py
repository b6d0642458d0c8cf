"""What was decided for a track: the recipes of up to three rounds, and how they scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from magdr_video.reconstruction.composer import compose
from magdr_video.types import Masks, Recipe

Round = tuple[Recipe, ...]
"""One recipe a region."""


@dataclass(frozen=True)
class Choice:
    """How a face is repaired."""

    rounds: tuple[Round, ...]
    """In order; each is applied to what the one before it gave (the outer loop, METHOD 6.3)."""
    averaged: bool
    """The crop is first averaged along the motion of its track."""
    before: float
    """S_final of the bare crop."""
    after: float
    """S_final of the repaired one."""
    resolved: bool
    """The repaired crop is in the clean range."""

    @property
    def accepted(self) -> bool:
        """A reconstruction that does not lower the score is not used."""
        return self.after < self.before

    def apply(self, crops: Tensor, masks: Masks) -> Tensor:
        """Repair crops (F, 3, S, S), which were averaged before where the choice says so."""
        for recipes in self.rounds:
            crops = compose(crops, masks, recipes)
        return crops

    def about(self) -> dict[str, Any]:
        """The choice as a report holds it."""
        return {
            "accepted": self.accepted,
            "score_before": round(self.before, 4),
            "score_after": round(self.after, 4),
            "resolved": self.resolved,
            "averaged": self.averaged,
            "rounds": [[str(recipe) for recipe in _merged(held)] for held in self.rounds],
        }


def _merged(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Recipes with equal chains named once."""
    if len({recipe.chain for recipe in recipes}) == 1:
        return [Recipe("all regions", recipes[0].chain)]
    return list(recipes)
