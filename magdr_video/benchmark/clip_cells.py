"""Repairs of protected clips as finished cells: an interruption loses one clip at most."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.cells import Cell, source_hash, work_off
from magdr_video.benchmark.clip_repairs import LOSSLESS, measure_clip_repairs
from magdr_video.benchmark.repairs import ROOMS
from magdr_video.benchmark.scene import Scene
from magdr_video.provenance import sha256_of
from magdr_video.settings import flatten

Say = Callable[[str], None]
SOURCES = (*ROOMS, "attacks", "faces", "stages", "video", "protection", "benchmark/clip_repairs")


def packed(held: Mapping[str, Any]) -> dict[str, Tensor]:
    """JSON values as the content of a cell."""
    return {"json": torch.tensor(list(json.dumps(held).encode()), dtype=torch.uint8)}


def unpacked(content: Mapping[str, Tensor]) -> dict[str, Any]:
    """The JSON values of a cell."""
    held: dict[str, Any] = json.loads(bytes(content["json"].tolist()))
    return held


def clip_cell(scene: Scene, clip: Path, codecs: Sequence[int], say: Say) -> Cell:
    """One clip's repairs, lossless and through each codec."""
    plan, subject = scene.plan, scene.subject
    key = {
        **subject.identity,
        "clip": sha256_of(clip),
        "frames": plan.clip_frames,
        "codecs": list(codecs),
        "settings": flatten(subject.settings),
        "source": source_hash((*SOURCES, *subject.rooms)),
    }

    def make() -> dict[str, Tensor]:
        found = measure_clip_repairs(
            clip,
            subject.settings,
            subject.models,
            frames=plan.clip_frames,
            crfs=(LOSSLESS, *codecs),
            runs=False,
            say=say,
        )
        return packed(found)

    cost = plan.clip_frames * (25.0 + 12.0 * (2 + len(codecs)))
    return Cell(f"{scene.task}: repairs on {clip.name}", key, cost, make)


def rows(
    scenes: Sequence[Scene], clips: Sequence[Path], codecs: Sequence[int], say: Say
) -> list[dict[str, Any]]:
    """What `measure_clip_repairs` found for each task and clip."""
    pairs = [(scene, clip_cell(scene, clip, codecs, say)) for scene in scenes for clip in clips]
    if not pairs:
        return []
    contents = work_off([cell for _, cell in pairs], scenes[0].store, say)
    return [
        {"task": scene.task, **unpacked(content)}
        for (scene, _), content in zip(pairs, contents, strict=True)
    ]
