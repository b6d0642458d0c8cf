"""What a run does to clean faces: how many come back bit-identical, and what the others lose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.cells import Cell, source_hash
from magdr_video.benchmark.encoded import after_codec, through_codec
from magdr_video.benchmark.outcome import untouched
from magdr_video.benchmark.repairs import ROOMS, magdr
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.statistics import estimate
from magdr_video.criteria import psnr_db
from magdr_video.training.calibration_report import rate_bound
from magdr_video.training.clean_faces import CLEAN

KINDS: Mapping[str, Callable[[Tensor], Tensor]] = CLEAN | {
    after_codec("in a frame", crf): partial(through_codec, crf=crf) for crf in (18, 23, 28)
}
"""What clean input may look like: files, and faces in the frames of compressed clips."""
ALL = "all kinds"
HIGHEST = 59.9
"""dB above which two images are the same to `psnr_db`, which ends at 60."""
COLUMNS = ("untouched", "moved", "undefended", "defended")


def clean_cells(scene: Scene) -> dict[str, Cell]:
    """The whole defence on each kind of clean faces, by kind."""
    return {kind: _clean_cell(scene, kind) for kind in KINDS}


def _clean_cell(scene: Scene, kind: str) -> Cell:
    few, settings = scene.plan.count("side_faces"), scene.subject.settings
    rooms = (*ROOMS, "benchmark/clean_input", *scene.subject.rooms)
    key = {
        **scene.subject.identity,
        "faces": scene.faces.first(few).digest,
        "kind": kind,
        "budget": settings.reconstruction.search_budget,
        "decide": settings.detection.decide,
        "source": source_hash(rooms),
    }
    cost = few * (4.0 + len(scene.subject.table.transforms))
    return Cell(f"{scene.task}: a run on clean faces, {kind}", key, cost, lambda: _run(scene, kind))


@torch.no_grad()
def _run(scene: Scene, kind: str) -> dict[str, Tensor]:
    """(F,) each: bit-identical; PSNR of what a run gives against what an undefended one gives; and
    PSNR of both against the translation of the photograph that the face was made of.
    """
    few = scene.plan.count("side_faces")
    seen, wanted = scene.seen(KINDS[kind](scene.faces.crops[:few]), kind), scene.clean.draft[:few]
    repaired = magdr(seen)
    same = untouched(seen, repaired)
    output = seen.draft.clone()
    if not bool(same.all()):
        output[~same] = scene.subject.generate(repaired[~same], seen.condition[~same])
    return {
        "untouched": same.to(output),
        "moved": psnr_db(output, seen.draft),
        "undefended": psnr_db(seen.draft, wanted),
        "defended": psnr_db(output, wanted),
    }


def clean_rows(scene: Scene) -> list[dict[str, Any]]:
    """A row for each kind, and one for all, out of finished cells."""
    held = {kind: scene.store.get(cell) for kind, cell in clean_cells(scene).items()}
    every = {name: torch.cat([one[name] for one in held.values()]) for name in COLUMNS}
    return [_row(scene.task, kind, one) for kind, one in (*held.items(), (ALL, every))]


def _row(task: str, kind: str, held: Mapping[str, Tensor]) -> dict[str, Any]:
    changed = held["untouched"] == 0
    nothing = torch.full_like(held["moved"], float("nan"))
    # A photograph's undefended translation is the reference itself: no loss can be told.
    known = changed & (held["undefended"] < HIGHEST)
    loss = held["undefended"] - held["defended"]
    count = len(changed)
    return {
        "task": task,
        "kind": kind,
        "faces": count,
        "changed": int(changed.sum()),
        "untouched": asdict(estimate(held["untouched"])),
        "untouched_at_least": 1 - rate_bound(int(changed.sum()), count),
        "moved": asdict(estimate(torch.where(changed, held["moved"], nothing))),
        "loss": asdict(estimate(torch.where(known, loss, nothing))),
    }


def rows(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """All tasks."""
    return [row for scene in scenes for row in clean_rows(scene)]
