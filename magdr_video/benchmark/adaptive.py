"""Figure 3: F1 of detectors, and what is left of the attack, over the attack's iterations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.defence import Defence
from magdr_video.attacks.success import DISRUPTED, disruption
from magdr_video.benchmark.cells import Cell, source_hash, work_off
from magdr_video.benchmark.detection import names_of
from magdr_video.benchmark.judges import ALWAYS, ROOMS, own_detectors
from magdr_video.benchmark.known_defence import known_defence
from magdr_video.benchmark.repairs import ROOMS as REPAIR_ROOMS
from magdr_video.benchmark.repairs import magdr
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.statistics import decisions, estimate, f1_estimate
from magdr_video.benchmark.threats import Threat, as_images, attack_cell, threat

STEPS = (5, 20)
"""Iterations on the axis of the figure."""
SAMPLES = 2
"""Draws of the defence a step; METHOD 7 has 20, which is for a GPU."""
OBLIVIOUS, ADAPTIVE = "oblivious", "adaptive"
SOURCES = (*ROOMS, *REPAIR_ROOMS, "benchmark/known_defence", "benchmark/adaptive")


def threats(scene: Scene) -> dict[tuple[str, int], Threat]:
    """Both attacks at each number of steps."""
    plan = scene.plan
    out = {}
    for steps in STEPS[:1] if plan.quick else STEPS:
        out[OBLIVIOUS, steps] = threat("pgd", plan, steps=steps)
        out[ADAPTIVE, steps] = threat("adaptive", plan, steps=steps, samples=SAMPLES, restarts=1)
    return out


def _faces(scene: Scene) -> int:
    return min(scene.plan.count("slow_faces"), scene.plan.adaptive_faces)


def attack_cells(scene: Scene) -> dict[tuple[str, int], Cell]:
    """The attacked faces of both attacks."""
    faces, subject = scene.faces.first(_faces(scene)), scene.subject
    condition = subject.conditions(len(faces))

    def defence() -> Defence:
        return known_defence(subject, faces.crops, condition)

    known = {**subject.identity, "source": source_hash((*SOURCES, *subject.rooms))}
    return {
        (kind, steps): attack_cell(
            subject,
            faces,
            one,
            scene.plan.seed,
            defence=defence if kind == ADAPTIVE else None,
            defended=known if kind == ADAPTIVE else None,
        )
        for (kind, steps), one in threats(scene).items()
    }


def _measure_cell(scene: Scene, kind: str, steps: int, attacked: Cell) -> Cell:
    key = {
        **scene.subject.identity,
        "attack": attacked.address,
        "source": source_hash((*SOURCES, *scene.subject.rooms)),
    }

    def make() -> dict[str, Tensor]:
        return measured(scene, as_images(scene.store.get(attacked)), f"{kind} {steps}")

    name = f"{scene.task}: detectors against {kind}, {steps} steps"
    return Cell(name, key, 15.0 * _faces(scene), make)


def measured(scene: Scene, images: Tensor, name: str) -> dict[str, Tensor]:
    """Verdicts of all own detectors, and the damage without and behind the defence."""
    seen, clean = scene.seen(images, name), scene.clean.first(len(images))
    out = {f"{key}|flagged": flagged for key, (_, flagged) in own_detectors(seen).items()}
    with torch.no_grad():
        behind = scene.subject.generate(magdr(seen), seen.condition)
    out["damage"] = disruption(clean.crops, clean.draft, seen.draft).error
    out["damage behind"] = disruption(clean.crops, clean.draft, behind).error
    return out


def _clean_cell(scene: Scene) -> Cell:
    key = {
        **scene.subject.identity,
        "faces": scene.faces.digest,
        "source": source_hash((*SOURCES, *scene.subject.rooms)),
    }

    def make() -> dict[str, Tensor]:
        found = own_detectors(scene.clean)
        return {f"{name}|flagged": flagged for name, (_, flagged) in found.items()}

    return Cell(f"{scene.task}: detectors on clean faces", key, 8.0 * scene.plan.faces, make)


def rows(scenes: Sequence[Scene], say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Figure 3 for all tasks: a row for each detector, attack and number of steps."""
    store, cells = scenes[0].store, []
    for scene in scenes:
        attacked = attack_cells(scene)
        cells += list(attacked.values())
        cells += [_measure_cell(scene, *which, cell) for which, cell in attacked.items()]
        cells.append(_clean_cell(scene))
    work_off(cells, store, say)
    return [row for scene in scenes for row in _scene_rows(scene)]


def _scene_rows(scene: Scene) -> list[dict[str, Any]]:
    clean, out = scene.store.get(_clean_cell(scene)), []
    for (kind, steps), attacked in attack_cells(scene).items():
        content = scene.store.get(_measure_cell(scene, kind, steps, attacked))
        for name in names_of(content):
            if name != ALWAYS:
                out.append(row(scene.task, kind, steps, name, clean, content))
    return out


def row(
    task: str,
    kind: str,
    steps: int,
    name: str,
    clean: Mapping[str, Tensor],
    content: Mapping[str, Tensor],
) -> dict[str, Any]:
    """One point of a curve."""
    calm, alarmed = clean[f"{name}|flagged"].bool(), content[f"{name}|flagged"].bool()
    held = decisions(calm, alarmed)
    damage, behind = content["damage"], content["damage behind"]
    return {
        "task": task,
        "attack": kind,
        "steps": steps,
        "detector": name,
        "attacked": len(alarmed),
        "clean": len(calm),
        "f1": held.f1,
        "recall": held.recall,
        "f1_interval": asdict(f1_estimate(calm, alarmed)),
        "damage": asdict(estimate(damage)),
        "damage_behind": asdict(estimate(behind)),
        "disrupted": float((damage > DISRUPTED).double().mean()),
        "disrupted_behind": float((behind > DISRUPTED).double().mean()),
    }
