"""Figure 3: F1 of detectors, and what is left of the attack, over the attack's iterations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.defence import Defence
from magdr_video.attacks.loop import MARKS
from magdr_video.attacks.success import DISRUPTED, disruption
from magdr_video.benchmark.attacked import Attacked, attacked, cells_of
from magdr_video.benchmark.cells import Cell, Pace, source_hash, work_off
from magdr_video.benchmark.detection import fitted_cells, fitted_on, names_of
from magdr_video.benchmark.document import threat_model
from magdr_video.benchmark.judged_faces import CLEAN_NAME, judged_faces
from magdr_video.benchmark.judges import ALWAYS, FITTED, ROOMS, own_detectors
from magdr_video.benchmark.known_defence import known_defence
from magdr_video.benchmark.repairs import ROOMS as REPAIR_ROOMS
from magdr_video.benchmark.repairs import magdr
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.statistics import decisions, estimate, f1_estimate
from magdr_video.benchmark.threats import Threat, threat

SAMPLES = 2
"""Draws of the defence a step: one of each of its paths, neither of which is random."""
OBLIVIOUS, ADAPTIVE = "oblivious", "adaptive"
SOURCES = (*ROOMS, *REPAIR_ROOMS, "benchmark/known_defence", "benchmark/adaptive")


def threats(scene: Scene) -> dict[str, Threat]:
    """Both attacks, with as many steps as the axis of the figure has; the rest lies on the way."""
    plan = scene.plan
    steps = plan.adaptive_steps
    return {
        OBLIVIOUS: threat("pgd", plan, steps=steps),
        ADAPTIVE: threat("adaptive", plan, steps=steps, samples=SAMPLES, restarts=1),
    }


def threat_models(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """Both attacks on each task, for the document."""
    return [
        threat_model(scene.task, one, _count(scene))
        for scene in scenes
        for one in threats(scene).values()
    ]


def marks(scene: Scene) -> list[int]:
    """Iterations on the axis."""
    return [mark for mark in MARKS if mark <= scene.plan.adaptive_steps]


def _count(scene: Scene) -> int:
    return scene.plan.count("adaptive_faces")


def attacked_faces(scene: Scene) -> dict[str, Attacked]:
    """The attacked faces of both attacks."""
    faces, subject = scene.faces.first(_count(scene)), scene.subject
    condition = subject.conditions(len(faces))

    def defence(part: slice) -> Defence:
        return known_defence(subject, faces.crops[part], condition[part])

    known = {**subject.identity, "source": source_hash((*SOURCES, *subject.rooms))}
    kinds, seed = threats(scene), scene.plan.seed
    knowing = attacked(subject, faces, kinds[ADAPTIVE], seed, defence=defence, defended=known)
    return {OBLIVIOUS: attacked(subject, faces, kinds[OBLIVIOUS], seed), ADAPTIVE: knowing}


def _measure_cell(scene: Scene, kind: str, steps: int, held: Attacked) -> Cell:
    key = {
        **scene.subject.identity,
        "attack": held.address,
        "steps": steps,
        "source": source_hash((*SOURCES, *scene.subject.rooms)),
    }

    def make() -> dict[str, Tensor]:
        return measured(scene, held.images(scene.store, steps), f"{kind} {steps}")

    name = f"{scene.task}: detectors against {kind}, {steps} steps"
    return Cell(name, key, 15.0 * _count(scene), make)


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


def cells(scene: Scene) -> list[Cell]:
    """All that the figure needs of a scene."""
    return [
        *cells_of(list(attacked_faces(scene).values())),
        *_measure_cells(scene).values(),
        _clean_cell(scene),
        *_fitted_clean_cells(scene).values(),
        *(cell for held in _fitted_cells(scene).values() for cell in held.values()),
    ]


def _fitted_cells(scene: Scene) -> dict[tuple[str, int], dict[str, Cell]]:
    """Fitted detectors at each point of the axis, by attack and steps, then by name."""
    out: dict[tuple[str, int], dict[str, Cell]] = {}
    sets = attacked_faces(scene)
    for name in scene.plan.kept(FITTED):
        judge = _fitted_once(scene, name)
        for kind, held in sets.items():
            for steps in marks(scene):
                cell = _fitted_cell(scene, name, judge, (kind, steps), held)
                out.setdefault((kind, steps), {})[name] = cell
    return out


Judge = Callable[[Seen], tuple[Tensor, Tensor]]


def _fitted_once(scene: Scene, name: str) -> Callable[[], Judge]:
    """A fitted detector, fitted when it is first asked for."""
    return cache(lambda: FITTED[name](scene))


def _fitted_cell(
    scene: Scene, name: str, judge: Callable[[], Judge], point: tuple[str, int], held: Attacked
) -> Cell:
    kind, steps = point
    key = {**fitted_on(scene, name), "attack": held.address, "steps": steps}

    def make() -> dict[str, Tensor]:
        seen = scene.seen(held.images(scene.store, steps), f"{kind} {steps}")
        return {"flagged": judge()(seen)[1]}

    return Cell(f"{scene.task}: {name} against {kind}, {steps} steps", key, _count(scene), make)


def _fitted_clean_cells(scene: Scene) -> dict[str, Cell]:
    """The same on clean faces: cells that Table 1 has too."""
    kinds = {CLEAN_NAME: judged_faces(scene)[CLEAN_NAME]}
    return {name: fitted_cells(scene, name, kinds)[0] for name in scene.plan.kept(FITTED)}


def _measure_cells(scene: Scene) -> dict[tuple[str, int], Cell]:
    return {
        (kind, steps): _measure_cell(scene, kind, steps, held)
        for kind, held in attacked_faces(scene).items()
        for steps in marks(scene)
    }


def rows(
    scenes: Sequence[Scene], say: Callable[[str], None], pace: Pace | None = None
) -> list[dict[str, Any]]:
    """Figure 3 for all tasks: a row for each detector, attack and number of steps."""
    work_off([cell for scene in scenes for cell in cells(scene)], scenes[0].store, say, pace)
    return [row for scene in scenes for row in _scene_rows(scene)]


def _scene_rows(scene: Scene) -> list[dict[str, Any]]:
    clean = dict(scene.store.get(_clean_cell(scene)))
    for name, cell in _fitted_clean_cells(scene).items():
        clean[f"{name}|flagged"] = scene.store.get(cell)["flagged"]
    fitted, out = _fitted_cells(scene), []
    for (kind, steps), cell in _measure_cells(scene).items():
        content = dict(scene.store.get(cell))
        for name, one in fitted[kind, steps].items():
            content[f"{name}|flagged"] = scene.store.get(one)["flagged"]
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
