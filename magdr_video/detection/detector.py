"""Judges faces: the paper's two detectors, their union (3.2.2, eq. 9), and the combined score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.criteria import Features
from magdr_video.detection.calibration import Calibration, standardise
from magdr_video.detection.consistency import Generate, consistency_scores
from magdr_video.detection.cues import measure_cues
from magdr_video.detection.distortion import distortion_score, least_margin, region_margins
from magdr_video.detection.measurement import Measurement, measure
from magdr_video.types import Masks

UNION, DISTORTION, CONSISTENCY = "union", "distortion", "consistency"
"""The paper's deciders: DD or CD, DD alone, CD alone. Fitted scores go by their own names."""


@dataclass(frozen=True)
class Inspection:
    """Scores and decision for F crops, all on the crops' device."""

    perturbed: Tensor
    """(F,) booleans: what the chosen decider says, its score is at least 0."""
    score: Tensor
    """(F,) how far the chosen decider's score lies above its threshold."""
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
    """(F,) the n_V-th largest region margin: one number for eq. 5; minus infinity: abstains."""
    draft: Tensor
    """(F, 3, S, S) the translation that was judged."""
    margins: Tensor
    """(F, R) m_i of eq. 5; minus infinity for targets and regions that are not judged."""
    skipped: Tensor
    """(F, R) booleans: regions too small to be judged."""
    scores: Mapping[str, Tensor]
    """By decider, (F,): how far above its threshold; at 0 or more it says perturbed."""

    def told(self) -> Inspection:
        """The same with all numbers on the CPU, to be read face by face without a wait for each.

        The draft stays where it is.
        """
        fields = (field.name for field in dataclasses.fields(self))
        plain = [name for name in fields if name not in ("draft", "scores")]
        scores = {name: held.cpu() for name, held in self.scores.items()}
        numbers = {name: getattr(self, name).cpu() for name in plain}
        return dataclasses.replace(self, scores=scores, **numbers)


def judge(held: Measurement, table: Calibration, decide: str) -> Inspection:
    """Turn a measurement into scores and verdicts; no pass is spent.

    Args:
        decide: the decider whose verdict counts: a fitted score of the table, or the paper's
            'union', 'distortion' or 'consistency'. A fitted score that the table lacks falls
            back to the union.
    """
    far = standardise(held.regional, table, "distortion", held.condition)
    near = standardise(held.consistency, table, "consistency", held.condition)
    margins = region_margins(far, held.usable, held.target)
    margin = least_margin(margins, table.least_flags)
    s_dist = distortion_score(far, held.usable, held.target, two_sided=table.two_sided)
    s_cons, s_mean = consistency_scores(near)
    cues = measure_cues(held, table)
    above = {
        DISTORTION: margin - table.tau_region,
        CONSISTENCY: torch.maximum(s_cons - table.tau_cons, s_mean - table.tau_mean),
    }
    above[UNION] = torch.maximum(above[DISTORTION], above[CONSISTENCY])
    above |= {name: score(cues) for name, score in table.scores.items()}
    score = above.get(decide, above[UNION])
    return Inspection(
        perturbed=score >= 0,
        score=score,
        s_dist=s_dist,
        s_cons=s_cons,
        s_mean=s_mean,
        s_final=table.weight * s_dist + s_cons + s_mean,
        flags=margins >= table.tau_region,
        margin=margin,
        draft=held.draft,
        margins=margins,
        skipped=~held.usable,
        scores=above,
    )


class PerturbationDetector:
    """Judges crops by the generator's output; 1 + K + 1 generator passes an inspected face.

    Args:
        generate: the generator; see `consistency.Generate`.
        table: calibration of that generator.
        decide: whose verdict counts, see `judge`.
        features: the generator's deep features, where the table's criteria name 'cos'.
    """

    def __init__(
        self,
        generate: Generate,
        table: Calibration,
        *,
        decide: str = "combined",
        features: Features | None = None,
    ) -> None:
        self.generate = generate
        self.table = table
        self.decide = decide
        self.features = features

    @property
    def passes_per_face(self) -> int:
        """Generator passes of an inspection whose draft is there: K, and one for the control."""
        return len(self.table.transforms) + 1

    @torch.no_grad()
    def measure(
        self, crops: Tensor, masks: Masks, condition: Tensor, draft: Tensor | None = None
    ) -> Measurement:
        """Measure crops without judging them; arguments and errors as of `inspect`."""
        if masks.regions != self.table.regions:
            raise ValueError(f"masks have regions {masks.regions}, the table {self.table.regions}")
        return measure(
            self.generate,
            crops,
            masks,
            condition,
            transforms=self.table.transforms,
            criteria=self.table.criteria,
            draft=draft,
            features=self.features,
        )

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
        return judge(self.measure(crops, masks, condition, draft), self.table, self.decide)
