"""Table 2: how near does a reconstructed crop, and its translation, come to the clean one?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.success import disruption, reached_target
from magdr_video.benchmark.cells import Cell, source_hash, work_off
from magdr_video.benchmark.measures import (
    as_rate,
    feature_cosine,
    fsim,
    image_measures,
)
from magdr_video.benchmark.repairs import (
    FIXED_CHAINS,
    NOTHING,
    ROOMS,
    Repair,
    repairs,
    singles,
    trial,
)
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.statistics import estimate
from magdr_video.training.clean_faces import film
from magdr_video.transforms import parse_chain

CLEAN = "clean"
ORACLE = "oracle of the fixed rows"
SHOWN = 2
"""Faces whose pictures are kept for the figure."""
IMAGE_COLUMNS = ("mse255", "rmse255", "l2", "psnr", "ssim", "fsim", "features")
SOURCES = (*ROOMS, "benchmark/reconstruction", "benchmark/measures")


def trial_cell(scene: Scene) -> Cell:
    """Every single transform and fixed chain on the attacked training faces."""
    chains = [parse_chain(text) for text in FIXED_CHAINS]
    key = {
        **scene.subject.identity,
        "attacked": scene.fitting_cell().address,
        "count": scene.plan.trial_faces,
        "tried": [*map(str, singles()), *FIXED_CHAINS],
        "source": source_hash(SOURCES),
    }

    def make() -> dict[str, Tensor]:
        return {"singles": trial(scene, singles()), "chains": trial(scene, chains)}

    cost = scene.plan.trial_faces * 1.5 * (len(singles()) + len(chains))
    return Cell(f"{scene.task}: transforms on training faces", key, cost, make)


def seen_by_name(scene: Scene, kind: str) -> Seen:
    """Clean faces, an attack's, or either through a codec ('pgd, h264 crf 23')."""
    name, _, codec = kind.partition(", h264 crf ")
    whole = scene.clean if name == CLEAN else scene.attacked(name)
    few = scene.plan.count("side_faces")
    if codec:
        return scene.seen(film(whole.crops[:few], int(codec)), kind)
    return whole.first(few) if name == CLEAN else whole


def size_of(scene: Scene, kind: str) -> int:
    """Faces of a kind."""
    few = scene.plan.count("side_faces")
    if "h264" in kind or kind == CLEAN:
        name = kind.partition(",")[0]
        return few if name == CLEAN else min(few, len(scene.faces_of(scene.threat(name))))
    return len(scene.faces_of(scene.threat(kind)))


def measure(scene: Scene, seen: Seen, repair: Repair) -> dict[str, Tensor]:
    """All columns of one row, a number a face; pictures of the first faces beside them."""
    clean = scene.clean.first(len(seen.crops))
    with torch.no_grad():
        repaired = seen.crops if repair.name == NOTHING else repair.work(seen)
    same = untouched(seen, repaired)
    output = translated(scene, seen, repair, repaired, same)
    few = min(scene.plan.count("side_faces"), len(seen.crops))
    out = {f"i|{name}": v for name, v in image_measures(repaired, clean.crops).items()}
    out |= {f"o|{name}": v for name, v in image_measures(output, clean.draft).items()}
    for side, u, v in (("i", repaired, clean.crops), ("o", output, clean.draft)):
        out[f"{side}|fsim"] = fsim(u[:few], v[:few])
        features = scene.subject.features(torch.cat([u[:few], v[:few]]))
        out[f"{side}|features"] = feature_cosine(features[:few], features[few:])
    target = scene.subject.target(clean.crops)
    if target is not None:
        out["pulled in"] = reached_target(clean.draft, output, target).to(output)
    broken = disruption(clean.crops, clean.draft, output)
    out |= {
        "damage": broken.error,
        "masked damage": broken.edited_error,
        "untouched": same.to(output),
        "picture in": (repaired[:SHOWN] * 255).round().to(torch.uint8),
        "picture out": (output[:SHOWN] * 255).round().to(torch.uint8),
    }
    return out


def untouched(seen: Seen, repaired: Tensor) -> Tensor:
    """(F,) booleans: crops that came back bit-identical."""
    return (repaired == seen.crops).flatten(1).all(dim=1)


def translated(scene: Scene, seen: Seen, repair: Repair, repaired: Tensor, same: Tensor) -> Tensor:
    """What the generator makes of the row; crops that it left alone have their draft already."""
    if repair.translate is not None:
        return repair.translate(seen)
    output = seen.draft.clone()
    rest = ~same
    if bool(rest.any()):
        output[rest] = scene.subject.generate(repaired[rest], seen.condition[rest])
    return output


def row_cell(scene: Scene, kind: str, repair: Repair) -> Cell:
    """One row on one kind of input."""
    count = size_of(scene, kind)
    count = min(count, scene.plan.count("slow_faces")) if repair.slow else count
    attack = kind.partition(",")[0]
    key = {
        **scene.subject.identity,
        "faces": scene.faces.digest,
        "count": count,
        "side": scene.plan.count("side_faces"),
        "kind": kind,
        "attack": "" if attack == CLEAN else scene.attack_cell(attack).address,
        "repair": dict(repair.about),
        "source": source_hash(SOURCES),
    }
    few = min(count, scene.plan.count("side_faces"))
    cost = count * (1.3 + repair.passes) + few * 5.0
    return Cell(
        f"{scene.task}, {kind}: {repair.name}",
        key,
        cost,
        lambda: measure(scene, seen_by_name(scene, kind).first(count), repair),
    )


def kinds(scene: Scene, codecs: Sequence[int]) -> list[str]:
    """Inputs of the table: each attack, the clean faces, and both through each codec."""
    plain = [*scene.plan.attacks, CLEAN]
    filmed = (scene.plan.attacks[0], CLEAN)
    return plain + [f"{name}, h264 crf {crf}" for name in filmed for crf in codecs]


def _estimates(content: Mapping[str, Tensor]) -> dict[str, Any]:
    columns = {name: held for name, held in content.items() if not name.startswith("picture")}
    columns["disrupted"] = as_rate(content["damage"])
    columns["disrupted, masked"] = as_rate(content["masked damage"])
    return {name: asdict(estimate(held)) for name, held in columns.items()}


def _oracle(contents: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """For each face the fixed row with the best PSNR(O): knows the clean image."""
    best = torch.stack([content["o|psnr"] for content in contents]).argmax(dim=0)
    out = {}
    for name, first in contents[0].items():
        if not name.startswith("picture"):
            stacked = torch.stack([content[name] for content in contents])
            out[name] = stacked.gather(0, best[None, : len(first)])[0]
    return out


def rows(
    scenes: Sequence[Scene], say: Callable[[str], None], codecs: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """Table 2 for all tasks and inputs."""
    store = scenes[0].store
    first = [cell for scene in scenes for cell in _preparations(scene)]
    work_off(first, store, say)
    work_off([cell for scene in scenes for cell in _row_cells(scene, codecs)], store, say)
    return [row for scene in scenes for row in _scene_rows(scene, codecs)]


def _preparations(scene: Scene) -> list[Cell]:
    attacks = [scene.attack_cell(name) for name in scene.plan.attacks]
    return [*attacks, scene.fitting_cell(), trial_cell(scene)]


def scene_repairs(scene: Scene) -> list[Repair]:
    """The rows of a scene, settings chosen on its training faces."""
    return repairs(scene, scene.store.get(trial_cell(scene)))


def _row_cells(scene: Scene, codecs: Sequence[int]) -> list[Cell]:
    held = scene_repairs(scene)
    return [row_cell(scene, kind, repair) for kind in kinds(scene, codecs) for repair in held]


def _scene_rows(scene: Scene, codecs: Sequence[int]) -> list[dict[str, Any]]:
    held, out = scene_repairs(scene), []
    for kind in kinds(scene, codecs):
        contents = {r.name: scene.store.get(row_cell(scene, kind, r)) for r in held}
        fixed = [contents[r.name] for r in held if r.kind in ("none", "single", "chain")]
        for repair in held:
            about = {"row": repair.name, "kind": repair.kind, "about": dict(repair.about)}
            out.append(_row(scene, kind, about, contents[repair.name]))
        oracle = {"row": ORACLE, "kind": "oracle", "about": {}}
        out.append(_row(scene, kind, oracle, _oracle(fixed)))
    return out


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
            if repair.kind == "single":
                continue
            content = scene.store.get(row_cell(scene, attack, repair))
            inside.append((repair.name, content["picture in"][0]))
            outside.append((repair.name, content["picture out"][0]))
        lines += [(f"{scene.task}: input", inside), (f"{scene.task}: output", outside)]
    return lines


def _levels(image: Tensor) -> Tensor:
    return (image * 255).round().to(torch.uint8)
