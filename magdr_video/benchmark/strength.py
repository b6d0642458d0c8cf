"""What the attacks of the tables reach on the undefended generator, before anything is defended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.problem import squared_error
from magdr_video.attacks.success import disruption, reached_target
from magdr_video.benchmark.attacked import FOUND, UNBOUNDED
from magdr_video.benchmark.measures import as_rate
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.statistics import estimate
from magdr_video.criteria import psnr_db

CLIPPED, UNCLIPPED = "within the bound", "before clipping"


def rows(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """A row for each task and attack; C&W, which knows no bound, has one before clipping too."""
    out = []
    for scene in scenes:
        for name in scene.plan.attacks:
            held = scene.under(scene.threat(name))
            out.append(_row(scene, name, CLIPPED, scene.attacked(name).crops))
            if name == "cw":
                free = held.held(scene.store, UNBOUNDED).float() / 255
                found = float(held.held(scene.store, FOUND).double().mean())
                out.append({**_row(scene, name, UNCLIPPED, free), "found": found})
    return out


@torch.no_grad()
def _row(scene: Scene, name: str, stage: str, images: Tensor) -> dict[str, Any]:
    clean = scene.clean.first(len(images))
    output = scene.subject.generate(images, clean.condition)
    broken = disruption(clean.crops, clean.draft, output)
    target = scene.subject.target(clean.crops)
    pulled = None
    if target is not None:
        pulled = float(reached_target(clean.draft, output, target).double().mean())
    return {
        "task": scene.task,
        "attack": name,
        "stage": stage,
        "faces": len(images),
        "psnr_in": asdict(estimate(psnr_db(images, clean.crops))),
        "rms": asdict(estimate(squared_error(images, clean.crops).sqrt())),
        "psnr_out": asdict(estimate(psnr_db(output, clean.draft))),
        "damage": asdict(estimate(broken.error)),
        "disrupted": asdict(estimate(as_rate(broken.error))),
        "masked": asdict(estimate(as_rate(broken.edited_error))),
        "pulled_in": pulled,
    }
