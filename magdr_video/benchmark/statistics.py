"""Means with bootstrap intervals, and what is said of a detector (METHOD 9.1, 9.2)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

RESAMPLES = 2000


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    count: int
    """Samples that the mean is over; those without a value are left out."""


@lru_cache(maxsize=64)
def _weights(count: int, seed: int) -> Tensor:
    """Resamples of so many as weights of the samples, (R, count): the same for every column."""
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randint(count, (RESAMPLES, count), generator=generator)
    weights = torch.zeros(RESAMPLES, count, dtype=torch.float64)
    return weights.scatter_add_(1, draws, torch.ones_like(draws, dtype=torch.float64)) / count


def estimate(values: Tensor, seed: int = 0) -> Estimate:
    """Mean over samples (F,) with a percentile bootstrap interval; NaN samples are left out."""
    held = values.cpu().double()
    held = held[~held.isnan()]
    if len(held) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    means = _weights(len(held), seed) @ held
    low, high = means.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(float(held.mean()), low, high, len(held))


def auroc(negatives: Tensor, positives: Tensor) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative; ties half."""
    above = (positives[:, None] > negatives[None]).double()
    ties = (positives[:, None] == negatives[None]).double()
    return float((above + ties / 2).mean())


def auroc_estimate(negatives: Tensor, positives: Tensor, seed: int = 0) -> Estimate:
    """AUROC with a bootstrap interval that resamples negatives and positives apart."""
    above = (positives[:, None] > negatives[None]).double()
    wins = above + (positives[:, None] == negatives[None]).double() / 2
    rows, columns = _weights(len(positives), seed), _weights(len(negatives), seed + 1)
    areas = ((rows @ wins) * columns).sum(dim=1)
    low, high = areas.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Estimate(float(wins.mean()), low, high, len(positives) + len(negatives))


def threshold_at(negatives: Tensor, false_positives: float) -> Tensor:
    """The score above which lies at most this share of the negatives, one number.

    With fewer than 1 / `false_positives` negatives none may be let through.
    """
    allowed = int(false_positives * len(negatives))
    return negatives.sort(descending=True).values[min(allowed, len(negatives) - 1)]


def true_positive_rate(negatives: Tensor, positives: Tensor, false_positives: float) -> float:
    """Share of positives above `threshold_at` this share of false positives."""
    threshold = threshold_at(negatives, false_positives)
    return float((positives > threshold).double().mean())


def roc(negatives: Tensor, positives: Tensor) -> list[tuple[float, float]]:
    """Points (false positive rate, true positive rate) of the ROC curve, from (0, 0) to (1, 1)."""
    points = [(0.0, 0.0)]
    for threshold in torch.unique(torch.cat([negatives, positives])).flip(0):
        false = float((negatives >= threshold).double().mean())
        points.append((false, float((positives >= threshold).double().mean())))
    return points


@dataclass(frozen=True)
class Decisions:
    """Precision, recall, F1 and accuracy of yes-or-no verdicts."""

    precision: float
    recall: float
    f1: float
    """Of the class 'disrupted'."""
    macro_f1: float
    """Mean of the F1 of both classes."""
    accuracy: float
    false_positive_rate: float


def _f1(hits: float, false: float, missed: float) -> float:
    return 2 * hits / (2 * hits + false + missed) if hits + false + missed else 0.0


def decisions(clean_flagged: Tensor, attacked_flagged: Tensor) -> Decisions:
    """From booleans on clean (F,) and attacked (G,) faces; the classes weigh alike.

    Counts are taken as shares of their class, so that a set with more clean than attacked faces
    gives the precision of a balanced one.
    """
    false = float(clean_flagged.double().mean())
    hits = float(attacked_flagged.double().mean())
    right, missed = 1 - false, 1 - hits
    f1, clean_f1 = _f1(hits, false, missed), _f1(right, missed, false)
    precision = hits / (hits + false) if hits + false else 0.0
    return Decisions(precision, hits, f1, (f1 + clean_f1) / 2, (hits + right) / 2, false)


def f1_estimate(clean_flagged: Tensor, attacked_flagged: Tensor, seed: int = 0) -> Estimate:
    """Binary F1 of balanced classes with a bootstrap interval."""
    false = _weights(len(clean_flagged), seed) @ clean_flagged.double()
    hits = _weights(len(attacked_flagged), seed + 1) @ attacked_flagged.double()
    values = 2 * hits / (hits + 1 + false)
    low, high = values.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    middle = decisions(clean_flagged, attacked_flagged).f1
    return Estimate(middle, low, high, len(clean_flagged) + len(attacked_flagged))


def f1_at(negatives: Tensor, positives: Tensor, false_positives: float, seed: int = 0) -> Estimate:
    """Binary F1 of balanced classes at `threshold_at` this share of false positives.

    The interval resamples faces, with the threshold as it is.
    """
    threshold = threshold_at(negatives, false_positives)
    return f1_estimate(negatives > threshold, positives > threshold, seed)
