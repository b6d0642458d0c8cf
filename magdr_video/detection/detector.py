"""The union of both detectors and the final score (paper, 3.2.2 and eq. 9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.detection.calibration import Calibration
from magdr_video.detection.consistency import Generate, consistency_distances, consistency_scores
from magdr_video.detection.distortion import (
    distortion_score,
    region_distances,
    region_margins,
    standardise,
)
from magdr_video.types import Masks


@dataclass(frozen=True)
class Inspection:
    """Scores and decision for F crops, all on the crops' device."""

    perturbed: Tensor
    """(F,) booleans: either detector."""
    s_dist: Tensor
    """(F,) eq. 6."""
    s_cons: Tensor
    """(F,) eq. 7, sigma."""
    s_mean: Tensor
    """(F,) the mean shift beside it."""
    s_final: Tensor
    """(F,) eq. 9 with the mean shift added to sigma; what the reconstructor lowers."""
    flags: Tensor
    """(F, R) booleans, eq. 5."""
    margin: Tensor
    """(F,) the n_V-th largest region margin: one number for eq. 5."""
    draft: Tensor
    """(F, 3, S, S) the translation that was judged."""


class PerturbationDetector:
    """Judges crops by the generator's output; 1 + K generator passes an inspected face.

    Args:
        generate: the generator; see `consistency.Generate`.
        table: calibration of that generator.
    """

    def __init__(self, generate: Generate, table: Calibration) -> None:
        self.generate = generate
        self.table = table

    @property
    def passes_per_face(self) -> int:
        """Generator passes an inspection costs when the draft is already there: K."""
        return len(self.table.transforms)

    @torch.no_grad()
    def inspect(
        self, crops: Tensor, masks: Masks, condition: Tensor, draft: Tensor | None = None
    ) -> Inspection:
        """Judge crops (F, 3, S, S) in [0, 1] under masks and conditions (F, C).

        Args:
            draft: the translation of the crops, when it is known already.

        Raises:
            ValueError: the masks' regions are not those of the calibration.
        """
        table = self.table
        if masks.regions != table.regions:
            raise ValueError(f"masks have regions {masks.regions}, the table {table.regions}")
        draft = self.generate(crops, condition) if draft is None else draft
        z = standardise(region_distances(crops, draft, masks, table.criteria), table)
        margins = region_margins(z, masks)
        ranked = margins.sort(dim=1, descending=True).values
        margin = ranked[:, min(table.least_flags, ranked.shape[1]) - 1]
        raw = consistency_distances(crops, condition, draft, self.generate, table)
        s_cons, s_mean = consistency_scores(raw, table)
        s_dist = distortion_score(z, masks)
        perturbed = (
            (margin >= table.tau_region) | (s_cons >= table.tau_cons) | (s_mean >= table.tau_mean)
        )
        return Inspection(
            perturbed=perturbed,
            s_dist=s_dist,
            s_cons=s_cons,
            s_mean=s_mean,
            s_final=table.weight * s_dist + s_cons + s_mean,
            flags=margins >= table.tau_region,
            margin=margin,
            draft=draft,
        )
