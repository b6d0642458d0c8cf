"""Repairs of protected clips as finished cells: an interruption loses one clip at most."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.cells import Cell, CellStore, source_hash, work_off
from magdr_video.benchmark.clip_measurement import measure_clip
from magdr_video.benchmark.plan import SEED
from magdr_video.benchmark.repairs import ROOMS
from magdr_video.benchmark.subject import Subject, load_subject
from magdr_video.models import zoo
from magdr_video.provenance import sha256_of
from magdr_video.settings import TASKS, flatten
from magdr_video.transforms.purify import MOTION_WEIGHTS
from magdr_video.video.reader import probe

Say = Callable[[str], None]
SOURCES = (
    *ROOMS,
    "attacks",
    "faces",
    "stages",
    "video",
    "protection",
    "models/purifier",
    "models/motion_purifier",
    "benchmark/clip_cuts",
    "benchmark/clip_measurement",
    "benchmark/clip_protection",
    "benchmark/clip_repairs",
    "benchmark/clip_runs",
    "benchmark/measures",
    "benchmark/whole_runs",
)


def packed(held: Mapping[str, Any]) -> dict[str, Tensor]:
    """JSON values as the content of a cell."""
    return {"json": torch.tensor(list(json.dumps(held).encode()), dtype=torch.uint8)}


def unpacked(content: Mapping[str, Tensor]) -> dict[str, Any]:
    """The JSON values of a cell."""
    held: dict[str, Any] = json.loads(bytes(content["json"].tolist()))
    return held


@dataclass(frozen=True)
class ClipPlan:
    """What is measured on clips."""

    clips: tuple[Path, ...]
    tasks: tuple[str, ...] = TASKS
    codecs: tuple[int, ...] = (23,)
    """H.264 rate factors that the protected clips go through beside none."""
    frames: int = 17
    """First frames of each clip that are protected and repaired; 0 is all."""
    seed: int = SEED
    overrides: tuple[str, ...] = ()
    """Settings 'key=value'."""
    device: str = "auto"
    """Where networks run: 'auto', 'cpu', 'cuda' or 'cuda:N'."""
    versions: bool = True
    """Every repair of the faces, lossless and through each codec."""
    runs: bool = False
    """Whole runs: passes, choices and flicker, with and without the cache, and clean input."""
    protected: Path | None = None
    """A protected version of the one clip, against the one task; it is protected here without."""


def subjects(plan: ClipPlan) -> list[Subject]:
    """Each task's generator, its settings with the plan's seed."""
    overrides = (*plan.overrides, f"run.seed={plan.seed}")
    return [load_subject(task, overrides=overrides, device=plan.device) for task in plan.tasks]


def identity_of(subject: Subject) -> dict[str, str]:
    """SHA-256 of all weights and tables: those of single faces, and the motion purifier's."""
    return {**subject.identity, MOTION_WEIGHTS: zoo.find(MOTION_WEIGHTS).sha256}


def clip_cell(plan: ClipPlan, subject: Subject, clip: Path, say: Say) -> Cell:
    """One clip's repairs, lossless and through each codec."""
    key = {
        **identity_of(subject),
        "clip": sha256_of(clip),
        "frames": plan.frames,
        "codecs": list(plan.codecs),
        "versions": plan.versions,
        "runs": plan.runs,
        "protected": sha256_of(plan.protected) if plan.protected else None,
        "settings": flatten(subject.settings),
        "source": source_hash((*SOURCES, *subject.rooms)),
    }

    def make() -> dict[str, Tensor]:
        found = measure_clip(
            clip,
            subject.settings,
            subject.models,
            frames=plan.frames,
            crfs=plan.codecs,
            protected=plan.protected,
            versions=plan.versions,
            runs=plan.runs,
            say=say,
        )
        return packed(found)

    return Cell(f"{subject.task}: repairs on {clip.name}", key, _cost(plan, clip), make)


def _cost(plan: ClipPlan, clip: Path) -> float:
    """Generator passes, or what takes as long; a clip that hides its length counts as 10 s."""
    frames = plan.frames or probe(clip).frame_count_hint or 250
    codecs = len(plan.codecs)
    protecting = 0.0 if plan.protected else 25.0
    versions = 12.0 * (2 + codecs) if plan.versions else 0.0
    runs = 20.0 + 3.0 * codecs if plan.runs else 0.0
    return frames * (protecting + versions + runs)


def rows(
    plan: ClipPlan, held: Sequence[Subject], store: CellStore, say: Say
) -> list[dict[str, Any]]:
    """What `measure_clip` found for each task and clip."""
    pairs = [(one, clip_cell(plan, one, clip, say)) for one in held for clip in plan.clips]
    contents = work_off([cell for _, cell in pairs], store, say)
    return [
        {"task": subject.task, **unpacked(content)}
        for (subject, _), content in zip(pairs, contents, strict=True)
    ]
