"""What is normal for a generator on clean faces: means, deviations, thresholds, scores.

A table is TOML, written by `magdr-video train calibrate --task T`; its head says how it was made
and on what. Every criterion is standardised by it, z = (d - mean) / std (METHOD 5.2).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.errors import SettingsError
from magdr_video.transforms import parse_chain
from magdr_video.types import TransformChoice

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SAME_CONDITION = 1e-3
"""Largest difference between two conditions that count as one."""


@dataclass(frozen=True)
class CleanStatistics:
    """Means and deviations of the criteria over clean faces under one condition, or under any."""

    condition: tuple[float, ...]
    """C values; empty for statistics over all conditions."""
    faces: int
    """Clean faces behind the numbers."""
    distortion_mean: Tensor
    """(R, J) of the criteria between crop and translation, under each region."""
    distortion_std: Tensor
    """(R, J)."""
    consistency_mean: Tensor
    """(K, J) of the criteria between the translations of a crop and of its changed copies."""
    consistency_std: Tensor
    """(K, J)."""


@dataclass(frozen=True)
class FittedScore:
    """A multinomial logistic regression on cues (METHOD 5.5), shifted so that 0 is its threshold.

    A perturbed face may come as it was made or through a codec, a clean one smooth or noisy; one
    straight line between all of them would have to be a compromise, so each kind is a class.
    """

    cues: tuple[str, ...]
    """Q names, see `cues.measure_cues`."""
    perturbed: tuple[bool, ...]
    """Which of the classes are perturbed faces."""
    weights: Tensor
    """(classes, Q)."""
    biases: Tensor
    """(classes,)."""
    threshold: float
    """Log odds at which a face is perturbed; set on clean validation faces."""

    def __call__(self, cues: Mapping[str, Tensor]) -> Tensor:
        """Log odds of the perturbed classes above the threshold, (F,); each cue is (F,)."""
        stacked = torch.stack([cues[name] for name in self.cues], dim=-1)
        logits = stacked @ self.weights.to(stacked).T + self.biases.to(stacked)
        broken = torch.tensor(self.perturbed, device=logits.device)
        odds = logits[:, broken].logsumexp(dim=1) - logits[:, ~broken].logsumexp(dim=1)
        return odds - self.threshold


@dataclass(frozen=True)
class Calibration:
    """The table of one generator."""

    task: str
    model: str
    """SHA-256 of the generator's weights."""
    purifier: str
    """SHA-256 of the purifier's, which gives cues and a chain f_k; empty where none is told."""
    criteria: tuple[str, ...]
    """J names of `criteria.CRITERIA`."""
    regions: tuple[str, ...]
    """R region names, in the order of the masks."""
    transforms: tuple[tuple[TransformChoice, ...], ...]
    """K chains f_k of the consistency detector."""
    statistics: tuple[CleanStatistics, ...]
    """The first over all conditions, then those of single ones."""
    tau_region: float
    """Margin of eq. 5: a region is flagged when z_i - z_c reaches it."""
    least_flags: int
    """Flagged regions that make a face perturbed (n_V)."""
    tau_cons: float
    """Threshold of S_cons, eq. 7."""
    tau_mean: float
    """Threshold of the mean shift beside it."""
    weight: float
    """lambda of eq. 9."""
    tau_final: float
    """S_final below which a reconstruction counts as resolved."""
    recipe: tuple[TransformChoice, ...]
    """Default chain of the reconstructor."""
    scores: Mapping[str, FittedScore]
    """Fitted scores by name: 'combined' and its ablations. Empty where none was fitted."""

    @property
    def two_sided(self) -> bool:
        """Whether eq. 6 counts deviations downward as well: replace (METHOD 5.3)."""
        return self.task == "replace"

    def statistics_of(self, condition: Tensor) -> Tensor:
        """Places in `statistics` (F,) of the rows of (F, C): the condition's own, or the first."""
        wide = condition.shape[1]
        places = [p for p, one in enumerate(self.statistics) if len(one.condition) == wide > 0]
        if not places:
            return torch.zeros(len(condition), dtype=torch.long, device=condition.device)
        own = torch.tensor([self.statistics[place].condition for place in places]).to(condition)
        same = (own[None] - condition.detach()[:, None]).abs().amax(dim=2) <= SAME_CONDITION
        first = torch.tensor(places, device=condition.device)[same.int().argmax(dim=1)]
        return torch.where(same.any(dim=1), first, 0)

    def normal(self, name: str, condition: Tensor) -> Tensor:
        """Entry `name` of the statistics of each face, (F, R or K, J), on the condition's device.

        Args:
            name: a tensor field of `CleanStatistics`.
            condition: (F, C).
        """
        stacked = torch.stack([getattr(one, name) for one in self.statistics]).to(condition)
        return stacked[self.statistics_of(condition)]


def standardise(raw: Tensor, table: Calibration, kind: str, condition: Tensor) -> Tensor:
    """z scores of `raw`, (F, R or K, J), on the clean statistics of each face's condition.

    Args:
        kind: 'distortion' or 'consistency'.
    """
    mean = table.normal(f"{kind}_mean", condition).to(raw)
    return (raw - mean) / table.normal(f"{kind}_std", condition).to(raw)


def _tensor(held: Any) -> Tensor:
    return torch.tensor(held, dtype=torch.float32)


def _statistics(held: Mapping[str, Any]) -> CleanStatistics:
    return CleanStatistics(
        condition=tuple(float(value) for value in held["condition"]),
        faces=int(held["faces"]),
        distortion_mean=_tensor(held["distortion_mean"]),
        distortion_std=_tensor(held["distortion_std"]),
        consistency_mean=_tensor(held["consistency_mean"]),
        consistency_std=_tensor(held["consistency_std"]),
    )


def _score(held: Mapping[str, Any]) -> FittedScore:
    score = FittedScore(
        cues=tuple(held["cues"]),
        perturbed=tuple(bool(value) for value in held["perturbed"]),
        weights=_tensor(held["weights"]),
        biases=_tensor(held["biases"]),
        threshold=float(held["threshold"]),
    )
    classes, cues = len(score.perturbed), len(score.cues)
    for name, want in (("weights", (classes, cues)), ("biases", (classes,))):
        if tuple(getattr(score, name).shape) != want:
            raise ValueError(f"a score's {name} are not of shape {want}")
    if all(score.perturbed) or not any(score.perturbed):
        raise ValueError("a score needs clean and perturbed classes")
    return score


def _check_shapes(table: Calibration) -> None:
    if not table.statistics:
        raise ValueError("it holds no statistics")
    rows = {"distortion": len(table.regions), "consistency": len(table.transforms)}
    for one in table.statistics:
        for name, count in rows.items():
            for part in ("mean", "std"):
                got = tuple(getattr(one, f"{name}_{part}").shape)
                want = (count, len(table.criteria))
                if got != want:
                    raise ValueError(f"{name}_{part} has shape {got}, expected {want}")


def _table(held: Mapping[str, Any]) -> Calibration:
    thresholds = held["thresholds"]
    table = Calibration(
        task=held["task"],
        model=held["model"],
        purifier=held.get("purifier", ""),
        criteria=tuple(held["criteria"]),
        regions=tuple(held["regions"]),
        transforms=tuple(parse_chain(text) for text in held["transforms"]),
        statistics=tuple(_statistics(one) for one in held["statistics"]),
        tau_region=float(thresholds["region"]),
        least_flags=int(thresholds["least_flags"]),
        tau_cons=float(thresholds["cons"]),
        tau_mean=float(thresholds["mean"]),
        weight=float(thresholds["weight"]),
        tau_final=float(thresholds["final"]),
        recipe=parse_chain(held["recipe"]["default"]),
        scores={name: _score(one) for name, one in held["scores"].items()},
    )
    _check_shapes(table)
    return table


def load_calibration(path: Path) -> Calibration:
    """Read a table.

    Raises:
        SettingsError: the file is missing, is not TOML, lacks an entry, or has numbers
            that do not match its regions, transforms and criteria.
    """
    try:
        return _table(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise SettingsError(
            f"calibration table {path}: {error.strerror}",
            hint=f"make it: magdr-video train calibrate --task {path.stem}",
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"calibration table {path} is not usable: {error}") from error
