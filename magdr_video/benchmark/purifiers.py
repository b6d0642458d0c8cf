"""Every purifier against every attack: does what helps against one help against the others?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.success import disruption
from magdr_video.benchmark.attacked import Attacked, cells_of
from magdr_video.benchmark.cells import Cell, Pace, weight_of, work_off
from magdr_video.benchmark.measures import as_rate
from magdr_video.benchmark.outcome import translated, untouched
from magdr_video.benchmark.repairs import NOTHING, Repair, depends_on, repairs
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.statistics import estimate
from magdr_video.benchmark.threats import threat
from magdr_video.benchmark.trials import expected_settings, found_settings, trial_cells
from magdr_video.criteria import psnr_db

ATTACKS = ("fgsm", "ifgsm", "pgd", "momentum", "joint", "feature", "blur-eot", "lab", "sign")
"""Attacks of METHOD 7 that a CPU can afford beside C&W; 'sign' is the noise control."""


WORST = "worst of each face"
"""Stands for an attacker who tries all of them and takes what does most harm."""


def shown(scene: Scene, found: Mapping[str, Tensor]) -> list[Repair]:
    """The rows: no searches, and of the single transforms the best on training faces.

    Args:
        found: PSNR(O) of each setting on the training faces, by category.
    """
    held = [repair for repair in repairs(scene, found) if not repair.slow]
    best = max(found, key=lambda name: float(found[name].max()))
    return [repair for repair in held if repair.kind != "single" or repair.name == best]


def cells(scene: Scene, attacks: Sequence[str]) -> list[Cell]:
    """All that the table needs; what is not known yet has stand-ins of the same cost."""
    held = shown(scene, expected_settings(scene))
    rows = [_row_cell(scene, attack, repair) for attack in attacks for repair in held]
    return [*_preparations(scene, attacks), *rows]


def _preparations(scene: Scene, attacks: Sequence[str]) -> list[Cell]:
    held = [*(_attacked(scene, attack) for attack in attacks), scene.trial_under]
    return [*cells_of(held), *trial_cells(scene).values()]


def _attacked(scene: Scene, attack: str) -> Attacked:
    return scene.under(threat(attack, scene.plan), scene.plan.count("purifier_faces"))


def _seen(scene: Scene, attack: str) -> Seen:
    images = _attacked(scene, attack).images(scene.store)
    return scene.seen(images, f"{attack} on {len(images)}")


def _row_cell(scene: Scene, attack: str, repair: Repair) -> Cell:
    count = scene.plan.count("purifier_faces")
    key = {
        **depends_on(scene, repair),
        "attack": _attacked(scene, attack).address,
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
    scenes: Sequence[Scene],
    attacks: Sequence[str],
    say: Callable[[str], None],
    pace: Pace | None = None,
) -> list[dict[str, Any]]:
    """A row for each task, attack and purifier."""
    store = scenes[0].store
    pace = pace or Pace(weight_of((c for scene in scenes for c in cells(scene, attacks)), store))
    work_off([c for scene in scenes for c in _preparations(scene, attacks)], store, say, pace)
    held = {scene.task: shown(scene, found_settings(scene)) for scene in scenes}
    pairs = [(s, a, repair) for s in scenes for a in attacks for repair in held[s.task]]
    contents = work_off([_row_cell(*pair) for pair in pairs], store, say, pace)
    found = {
        (scene.task, attack, repair.name): content
        for (scene, attack, repair), content in zip(pairs, contents, strict=True)
    }
    out = [
        _row(scene.task, attack, repair, found[scene.task, attack, repair.name])
        for scene, attack, repair in pairs
    ]
    for scene in scenes:
        for repair in held[scene.task]:
            each = [found[scene.task, attack, repair.name] for attack in attacks]
            out.append(_row(scene.task, WORST, repair, worst_of(each)))
    return out


def worst_of(contents: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """For each face the attack that leaves least: lowest PSNR(O), largest damage."""
    return {
        "psnr": torch.stack([content["psnr"] for content in contents]).amin(dim=0),
        "damage": torch.stack([content["damage"] for content in contents]).amax(dim=0),
    }


def _row(task: str, attack: str, repair: Repair, content: Mapping[str, Tensor]) -> dict[str, Any]:
    return {
        "task": task,
        "attack": attack,
        "row": repair.name,
        "kind": repair.kind,
        "faces": len(content["psnr"]),
        "psnr": asdict(estimate(content["psnr"])),
        "disrupted": asdict(estimate(as_rate(content["damage"]))),
    }
