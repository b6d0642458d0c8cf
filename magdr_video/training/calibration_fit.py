"""From measurements to a calibration table: statistics, thresholds, fitted scores.

Thresholds see clean validation faces only (METHOD 5.5); attacked faces shape the weights of the
scores and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from magdr_video.detection.calibration import Calibration, CleanStatistics, FittedScore
from magdr_video.detection.cues import (
    CONTROL_CUES,
    INPUT_CUES,
    MASKED_CUES,
    SCORED_CUES,
    measure_cues,
)
from magdr_video.detection.detector import judge
from magdr_video.detection.measurement import Measurement
from magdr_video.training.logistic import fit_logistic

FALSE_POSITIVES = 0.01
"""Share of clean faces that a verdict may condemn."""

LEAST_FACES = 100
"""Clean faces below which a condition has no statistics of its own (METHOD 5.2)."""

CLASSES = ("smooth", "rough", "lossless", "framed", "compressed")
"""Kinds of faces that the scores tell apart: clean ones, then attacked ones."""

PERTURBED = (False, False, True, True, True)
"""Which of `CLASSES` are attacked."""

DAMAGE = "margin"
"""The cue that says how far the output is broken where it should not be."""

RARER: Mapping[str, float] = {"compressed": 1.5}
"""By how much the log odds of a class are lowered after the fit. After a codec a perturbed face
looks much like a clean one; counted as often as the others, that class blurs the lossless ones (of
30 held-out faces, `edit`, 0.97 found instead of all). 3.0 costs what is found after a codec."""

RIDGE = 1e-3


def _spread_with_floor(raw: Tensor) -> Tensor:
    """Deviations (R, J), not below that of the usual region.

    A generator leaves some regions almost untouched on clean faces; measured against their tiny
    deviation every difference is enormous (a clean nose reached z = 290) and the threshold of
    eq. 5 would never be met.
    """
    spread = raw.std(0)
    return torch.maximum(spread, spread.median(dim=0).values).clamp(min=1e-5)


def statistics_of(held: Measurement, rows: Tensor, condition: Sequence[float]) -> CleanStatistics:
    """Means and deviations over the faces that `rows` (F,) marks."""
    far, near = held.regional[rows], held.consistency[rows]
    return CleanStatistics(
        condition=tuple(condition),
        faces=int(rows.sum()),
        distortion_mean=far.mean(0),
        distortion_std=_spread_with_floor(far),
        consistency_mean=near.mean(0),
        consistency_std=near.std(0).clamp(min=1e-5),
    )


def fit_statistics(held: Measurement, *, least: int = LEAST_FACES) -> tuple[CleanStatistics, ...]:
    """Statistics over all clean faces, then of every condition with enough of them."""
    everything = torch.ones(len(held), dtype=torch.bool)
    out = [statistics_of(held, everything, ())]
    if held.condition.shape[1] == 0:
        return tuple(out)
    rows, place, counts = torch.unique(
        held.condition, dim=0, return_inverse=True, return_counts=True
    )
    for index, (row, count) in enumerate(zip(rows, counts.tolist(), strict=True)):
        if count >= least:
            out.append(statistics_of(held, place == index, row.tolist()))
    return tuple(out)


def threshold(clean: Tensor, rate: float = FALSE_POSITIVES) -> float:
    """The lowest threshold at which at most `rate` of the clean scores (F,) are at or above it.

    It lies half way between the last score let through and the first condemned one.
    """
    ranked = clean.sort(descending=True).values
    allowed = min(math.floor(rate * len(ranked)), len(ranked) - 1)
    above = float(ranked[allowed - 1]) if allowed > 0 else float(ranked[0]) + 1e-3
    within = float(ranked[allowed])
    return (above + within) / 2 if above > within else above + 1e-6 * max(1.0, abs(above))


def fit_thresholds(table: Calibration, clean: Measurement) -> Calibration:
    """Joint thresholds of the paper's detectors: their union condemns at most 1 % of the faces."""
    seen = judge(clean, table, "union")
    values = (seen.margin, seen.s_cons, seen.s_mean)
    level = FALSE_POSITIVES
    while True:
        taus = [threshold(one, level) for one in values]
        flagged = torch.stack([one >= tau for one, tau in zip(values, taus, strict=True)]).any(0)
        if float(flagged.float().mean()) <= FALSE_POSITIVES or level < 1e-4:
            break
        level *= 0.8
    return replace(
        table,
        tau_region=taus[0],
        tau_cons=taus[1],
        tau_mean=taus[2],
        tau_final=float(seen.s_final.quantile(0.95)),
    )


SCORES: Mapping[str, tuple[str, ...]] = {
    "combined": SCORED_CUES,
    "no masks": tuple(name for name in SCORED_CUES if name not in MASKED_CUES),
    "control": CONTROL_CUES,
    "noise": INPUT_CUES,
}
"""The fitted scores, the combined one and its ablations, and the cues that each may see."""


def fit_scores(
    table: Calibration, held: Measurement, classes: Tensor, validation: Measurement
) -> dict[str, FittedScore]:
    """The combined score and its ablations.

    Args:
        table: with the statistics that standardise the cues.
        held: faces of the fitting identities, clean and attacked.
        classes: (F,) places in `CLASSES`.
        validation: clean faces of other identities, which set the thresholds.
    """
    seen, checked = measure_cues(held, table), measure_cues(validation, table)
    out = {}
    for name, cues in SCORES.items():
        plain = _fit_score(seen, classes, cues)
        out[name] = replace(plain, threshold=threshold(plain(checked)))
    return out


def _fit_score(seen: Mapping[str, Tensor], classes: Tensor, cues: tuple[str, ...]) -> FittedScore:
    """Fit one score; `DAMAGE` is left out where it would speak for a face, not against it.

    Where attacks seldom reach other regions the fit takes a broken region for a sign of a clean
    face: with `edit` a protected clip was found in the frames whose regions were whole and passed
    in those whose neck was broken.
    """
    values = torch.stack([seen[cue] for cue in cues], dim=1)
    weights, biases = fit_logistic(values, classes, ridge=RIDGE)
    if DAMAGE in cues:
        weight = weights[:, cues.index(DAMAGE)]
        if float(weight[CLASSES.index("lossless")]) <= float(
            weight[~torch.tensor(PERTURBED)].max()
        ):
            return _fit_score(seen, classes, tuple(cue for cue in cues if cue != DAMAGE))
    for kind, less in RARER.items():
        biases[CLASSES.index(kind)] -= less
    return FittedScore(cues, PERTURBED, weights, biases, 0.0)
