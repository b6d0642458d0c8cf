"""Every purifier against every attack: does what helps against one help against the others?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.success import disruption
from magdr_video.benchmark.cells import Cell, work_off
from magdr_video.benchmark.measures import as_rate
from magdr_video.benchmark.outcome import translated, untouched
from magdr_video.benchmark.reconstruction import scene_repairs, trial_cell
from magdr_video.benchmark.repairs import NOTHING, Repair, depends_on, singles
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.statistics import estimate
from magdr_video.benchmark.threats import as_images, attack_cell, threat
from magdr_video.criteria import psnr_db

ATTACKS = ("fgsm", "ifgsm", "pgd", "momentum", "joint", "feature", "blur-eot", "lab", "sign")
"""Attacks of METHOD 7 that a CPU can afford beside C&W; 'sign' is the noise control."""


def shown(scene: Scene) -> list[Repair]:
    """The rows: no searches, and of the single transforms the best on training faces."""
    held = [repair for repair in scene_repairs(scene) if not repair.slow]
    best = best_single(scene)
    return [repair for repair in held if repair.kind != "single" or repair.name == best]


def best_single(scene: Scene) -> str:
    """The category whose best setting repaired the attacked training faces best."""
    found = scene.store.get(trial_cell(scene))["singles"]
    return singles()[int(found.argmax())][0].category


def _attack_cell(scene: Scene, attack: str) -> Cell:
    faces = scene.faces.first(scene.plan.count("slow_faces"))
    return attack_cell(scene.subject, faces, threat(attack, scene.plan), scene.plan.seed)


def _seen(scene: Scene, attack: str) -> Seen:
    images = as_images(scene.store.get(_attack_cell(scene, attack)))
    return scene.seen(images, f"{attack} on {len(images)}")


def _row_cell(scene: Scene, attack: str, repair: Repair) -> Cell:
    count = scene.plan.count("slow_faces")
    key = {
        **depends_on(scene, repair),
        "attack": _attack_cell(scene, attack).address,
        "repair": dict(repair.about),
    }
    name = f"{scene.task}, {attack} on {count}: {repair.name}"
    return Cell(
        name,
        key,
        count * (1 + repair.passes),
        lambda: measured(scene, _seen(scene, attack), repair),
    )


def measured(scene: Scene, seen: Seen, repair: Repair) -> dict[str, Tensor]:
    """PSNR(O) and damage of one row, (F,)."""
    clean = scene.clean.first(len(seen.crops))
    with torch.no_grad():
        repaired = seen.crops if repair.name == NOTHING else repair.work(seen)
    output = translated(scene, seen, repair, repaired, untouched(seen, repaired))
    return {
        "psnr": psnr_db(output, clean.draft),
        "damage": disruption(clean.crops, clean.draft, output).error,
    }


def rows(
    scenes: Sequence[Scene], attacks: Sequence[str], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """A row for each task, attack and purifier."""
    store = scenes[0].store
    first = [
        [_attack_cell(s, a) for a in attacks] + [s.fitting_cell(), trial_cell(s)] for s in scenes
    ]
    work_off([cell for held in first for cell in held], store, say)
    pairs = [(s, a, repair) for s in scenes for a in attacks for repair in shown(s)]
    contents = work_off([_row_cell(*pair) for pair in pairs], store, say)
    return [
        {
            "task": scene.task,
            "attack": attack,
            "row": repair.name,
            "kind": repair.kind,
            "faces": len(content["psnr"]),
            "psnr": asdict(estimate(content["psnr"])),
            "disrupted": asdict(estimate(as_rate(content["damage"]))),
        }
        for (scene, attack, repair), content in zip(pairs, contents, strict=True)
    ]
