"""Table 2: how near does a reconstructed crop, and its translation, come to the clean one?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.attacked import cells_of
from magdr_video.benchmark.bank_limits import (
    bank_settings,
    chosen_repairs,
    limit_cells,
    oracles,
    ranked,
    ranking_cell,
)
from magdr_video.benchmark.cells import Cell, Pace, weight_of, work_off
from magdr_video.benchmark.clean_input import clean_cells
from magdr_video.benchmark.encoded import after_codec, before_codec, through_codec
from magdr_video.benchmark.margins import margins
from magdr_video.benchmark.measures import as_rate
from magdr_video.benchmark.outcome import SHOWN, measure
from magdr_video.benchmark.repairs import Repair, depends_on, repairs
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.statistics import estimate
from magdr_video.benchmark.trials import expected_settings, found_settings, trial_cells

CLEAN = "clean"
IMAGE_COLUMNS = ("mse255", "rmse255", "l2", "psnr", "ssim", "fsim", "features")


def seen_by_name(scene: Scene, kind: str) -> Seen:
    """Clean faces, an attack's, or either through a codec ('pgd, h264 crf 23')."""
    name, crf = before_codec(kind)
    whole = scene.clean if name == CLEAN else scene.attacked(name)
    few = scene.plan.count("side_faces")
    if crf is not None:
        return scene.seen(through_codec(whole.crops[:few], crf), kind)
    return whole.first(few) if name == CLEAN else whole


def size_of(scene: Scene, kind: str) -> int:
    """Faces of a kind."""
    few = scene.plan.count("side_faces")
    name, crf = before_codec(kind)
    return few if name == CLEAN or crf is not None else scene.plan.faces


def row_cell(scene: Scene, kind: str, repair: Repair) -> Cell:
    """One row on one kind of input."""
    count = size_of(scene, kind)
    count = min(count, scene.plan.count("slow_faces")) if repair.slow else count
    attack = before_codec(kind)[0]
    key = {
        **depends_on(scene, repair),
        "faces": scene.faces.digest,
        "count": count,
        "side": scene.plan.count("side_faces"),
        "slow": scene.plan.count("slow_faces"),
        "kind": kind,
        "attack": "" if attack == CLEAN else scene.under(scene.threat(attack)).address,
        "repair": dict(repair.about),
    }
    few = 0 if kind == CLEAN else min(count, scene.plan.count("slow_faces"))
    cost = count * (1.3 + repair.passes) + few * 4.0
    if kind == scene.plan.attacks[0]:
        cost += repair.preparation
    return Cell(
        f"{scene.task}, {kind}: {repair.name}",
        key,
        cost,
        lambda: measure(
            scene, seen_by_name(scene, kind).first(count), repair, slowly=kind != CLEAN
        ),
    )


def kinds(scene: Scene, codecs: Sequence[int]) -> list[str]:
    """Inputs of the table: each attack, the clean faces, and both through each codec."""
    plain = [*scene.plan.attacks, CLEAN]
    return plain + [after_codec(name, crf) for name in plain for crf in codecs]


def is_shown(scene: Scene, kind: str, repair: Repair) -> bool:
    """Rows that a kind of input gets: the first attack all of them, the others what matters.

    Searches cost hundreds of passes a face, and single transforms against a slow attack say little
    that the first attack has not said, but for those that did best on training faces. Baselines
    have rows wherever MagDR has one.
    """
    first = scene.plan.attacks[0]
    if repair.slow and repair.kind != "baseline":
        return kind in scene.plan.attacks if repair.kind == "own" else kind == first
    return repair.kind != "single" or kind in (first, CLEAN)


def shown_repairs(scene: Scene, kind: str) -> list[Repair]:
    """The rows of a kind of input."""
    return [repair for repair in scene_repairs(scene) if is_shown(scene, kind, repair)]


def cells(scene: Scene, codecs: Sequence[int] = ()) -> list[Cell]:
    """All that the table needs; what is not known yet has stand-ins of the same cost."""
    found = expected_settings(scene)
    settings = bank_settings(scene, found)
    held = [*repairs(scene, found), *chosen_repairs(settings)]
    rows = [
        row_cell(scene, kind, repair)
        for kind in kinds(scene, codecs)
        for repair in held
        if is_shown(scene, kind, repair)
    ]
    limits = [cell for name in scene.plan.attacks for cell in limit_cells(scene, name, settings)]
    ranking = ranking_cell(scene, found)
    return [*_preparations(scene), ranking, *rows, *limits, *clean_cells(scene).values()]


def _estimates(content: Mapping[str, Tensor]) -> dict[str, Any]:
    columns = {name: held for name, held in content.items() if not name.startswith("picture")}
    columns["disrupted"] = as_rate(content["damage"])
    columns["disrupted, masked"] = as_rate(content["masked damage"])
    return {name: asdict(estimate(held)) for name, held in columns.items()}


def rows(
    scenes: Sequence[Scene],
    say: Callable[[str], None],
    codecs: Sequence[int] = (),
    pace: Pace | None = None,
) -> list[dict[str, Any]]:
    """Table 2 for all tasks and inputs."""
    store = scenes[0].store
    pace = pace or Pace(weight_of((c for scene in scenes for c in cells(scene, codecs)), store))
    first = [cell for scene in scenes for cell in _preparations(scene)]
    work_off(first, store, say, pace)
    work_off([ranking_cell(scene, found_settings(scene)) for scene in scenes], store, say, pace)
    work_off([cell for scene in scenes for cell in _row_cells(scene, codecs)], store, say, pace)
    return [row for scene in scenes for row in _scene_rows(scene, codecs)]


def _preparations(scene: Scene) -> list[Cell]:
    attacks = [scene.under(scene.threat(name)) for name in scene.plan.attacks]
    return [*cells_of([*attacks, scene.trial_under]), *trial_cells(scene).values()]


def scene_repairs(scene: Scene) -> list[Repair]:
    """The rows of a scene, settings chosen on its training faces."""
    found = found_settings(scene)
    held, chosen = repairs(scene, found), chosen_repairs(ranked(scene, found))
    place = next(at for at, repair in enumerate(held) if repair.kind not in ("none", "single"))
    return [*held[:place], *chosen, *held[place:]]


def _row_cells(scene: Scene, codecs: Sequence[int]) -> list[Cell]:
    rows = [
        row_cell(scene, kind, repair)
        for kind in kinds(scene, codecs)
        for repair in shown_repairs(scene, kind)
    ]
    return [*rows, *_limit_cells(scene), *clean_cells(scene).values()]


def _limit_cells(scene: Scene) -> list[Cell]:
    best_first = ranked(scene, found_settings(scene))
    return [cell for name in scene.plan.attacks for cell in limit_cells(scene, name, best_first)]


def _oracles(scene: Scene, attack: str) -> list[tuple[dict[str, Any], dict[str, Tensor]]]:
    best_first = ranked(scene, found_settings(scene))
    classical, learned = map(scene.store.get, limit_cells(scene, attack, best_first))
    return oracles(classical, learned)


def _scene_rows(scene: Scene, codecs: Sequence[int]) -> list[dict[str, Any]]:
    out = []
    for kind in kinds(scene, codecs):
        for repair in shown_repairs(scene, kind):
            about = {"row": repair.name, "kind": repair.kind, "about": dict(repair.about)}
            out.append(_row(scene, kind, about, scene.store.get(row_cell(scene, kind, repair))))
        if kind in scene.plan.attacks:
            out += [_row(scene, kind, *oracle) for oracle in _oracles(scene, kind)]
    return out


def lead(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """By how much MagDR leads fixed transforms and oracles under each attack; of finished cells."""
    held = {}
    for scene in scenes:
        for attack in scene.plan.attacks:
            by_row = {
                repair.name: scene.store.get(row_cell(scene, attack, repair))["o|psnr"]
                for repair in shown_repairs(scene, attack)
            }
            for about, columns in _oracles(scene, attack):
                by_row[about["row"]] = columns["o|psnr"]
            held[scene.task, attack] = by_row
    return margins(held)


def _row(
    scene: Scene, kind: str, about: Mapping[str, Any], content: Mapping[str, Tensor]
) -> dict[str, Any]:
    return {
        "task": scene.task,
        "input": kind,
        "faces": len(content["damage"]),
        **about,
        "columns": _estimates(content),
    }


def grid(scenes: Sequence[Scene]) -> list[tuple[str, list[tuple[str, Tensor]]]]:
    """Lines of Figure 4: what the generator gets and gives, row by row, for one face a task."""
    lines = []
    for scene in scenes:
        attack = scene.plan.attacks[0]
        clean = scene.clean.first(SHOWN)
        inside = [("clean", _levels(clean.crops[0]))]
        outside = [("clean", _levels(clean.draft[0]))]
        for repair in scene_repairs(scene):
            if repair.kind in ("single", "chosen", "chain", "ablation"):
                continue
            content = scene.store.get(row_cell(scene, attack, repair))
            inside.append((repair.name, content["picture in"][0]))
            outside.append((repair.name, content["picture out"][0]))
        lines += [(f"{scene.task}: input", inside), (f"{scene.task}: output", outside)]
    return lines


def _levels(image: Tensor) -> Tensor:
    return (image * 255).round().to(torch.uint8).cpu()
