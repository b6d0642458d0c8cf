"""The detectors of Table 1: MagDR, its ablations, the baselines, the one that always says yes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from magdr_video.baselines.registry import DETECTORS
from magdr_video.baselines.thresholds import clean_threshold
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.trained import trained_detector
from magdr_video.detection.detector import CONSISTENCY, DISTORTION, UNION
from magdr_video.training.clean_faces import CLEAN
from magdr_video.transforms import estimate_noise

ROOMS = (
    "detection",
    "transforms",
    "criteria",
    "faces/parsing",
    "faces/regions",
    "training/clean_faces",
    "benchmark/judges",
    "benchmark/judged_faces",
    "benchmark/encoded",
)
"""Whose source decides what a detector says."""
FITTED_ROOMS = (
    "transforms",
    "training/clean_faces",
    "benchmark/judged_faces",
    "benchmark/encoded",
)
"""Whose source decides, beside the baselines' own, what a fitted detector says."""

Judgements = dict[str, tuple[Tensor, Tensor]]
"""By detector: score (F,), larger is more disrupted, and verdict (F,)."""

ALWAYS = "always disrupted"
FALSE_POSITIVES = 0.01


def own_detectors(seen: Seen) -> Judgements:
    """MagDR, the paper's two detectors, their union and the fitted ablations: one inspection."""
    table = seen.subject.table
    detector = seen.subject.detector()
    found = detector.inspect(seen.crops, seen.masks, seen.condition, seen.draft)
    count = len(seen.crops)
    held = {
        ALWAYS: (torch.zeros(count), torch.ones(count, dtype=torch.bool)),
        "CD, sigma alone": (found.s_cons, found.s_cons >= table.tau_cons),
        "CD, mean shift alone": (found.s_mean, found.s_mean >= table.tau_mean),
    }
    for name, score in found.scores.items():
        if name != detector.decide:
            shown = PAPER_NAMES.get(name, f"fitted: {name}")
            held[shown] = (score.nan_to_num(neginf=LOWEST), score >= 0)
    return held | {MAGDR: (found.score.nan_to_num(neginf=LOWEST), found.perturbed)}


MAGDR = "MagDR"
PAPER_NAMES = {DISTORTION: "DD", CONSISTENCY: "CD", UNION: "DD or CD"}
LOWEST = -1e6
"""Score of a face on which a detector abstains."""


def noise_detector(scene: Scene) -> Callable[[Seen], tuple[Tensor, Tensor]]:
    """The wavelet noise estimate of the input alone; its threshold from clean validation faces."""
    kinds = [make(scene.validation.crops) for make in VALIDATED.values()]
    level = clean_threshold(estimate_noise(torch.cat(kinds)), FALSE_POSITIVES)

    def judge(seen: Seen) -> tuple[Tensor, Tensor]:
        score = estimate_noise(seen.crops)
        return score, score > level

    return judge


def baseline_detector(name: str) -> Callable[[Scene], Callable[[Seen], tuple[Tensor, Tensor]]]:
    """A baseline, fitted on the training faces; its threshold from clean validation faces."""

    def fitted(scene: Scene) -> Callable[[Seen], tuple[Tensor, Tensor]]:
        held = trained_detector(scene, name)

        def score(seen: Seen) -> Tensor:
            return held.score(seen.crops, seen.condition, seen.draft).float()

        clean = [
            scene.seen(make(scene.validation.crops), f"validation, {kind}")
            for kind, make in VALIDATED.items()
        ]
        level = clean_threshold(torch.cat([score(seen) for seen in clean]), FALSE_POSITIVES)

        def judge(seen: Seen) -> tuple[Tensor, Tensor]:
            found = score(seen)
            return found, found > level

        return judge

    return fitted


VALIDATED = {kind: CLEAN[kind] for kind in ("photograph", "jpeg 75", "h264 crf 23", "noise")}
"""Kinds of clean faces that thresholds of baselines are set on; MagDR's table knows them too."""

FITTED: Mapping[str, Callable[[Scene], Callable[[Seen], tuple[Tensor, Tensor]]]] = {
    "noise estimate": noise_detector,
    **{name: baseline_detector(name) for name in DETECTORS},
}
"""Detectors that are fitted on the training faces first."""
