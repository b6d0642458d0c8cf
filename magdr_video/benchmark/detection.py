"""Table 1: who notices that a face was perturbed?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.attacked import cells_of
from magdr_video.benchmark.cells import Cell, Pace, source_hash, work_off
from magdr_video.benchmark.encoded import CRF
from magdr_video.benchmark.judged_faces import (
    CARRIERS,
    CLEAN_NAME,
    HARD,
    Judged,
    coded_name,
    judged_faces,
)
from magdr_video.benchmark.judges import (
    ALWAYS,
    FITTED,
    FITTED_ROOMS,
    MAGDR,
    ROOMS,
    own_detectors,
)
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.benchmark.statistics import (
    auroc_estimate,
    decisions,
    estimate,
    f1_at,
    f1_estimate,
    roc,
    true_positive_rate,
)
from magdr_video.benchmark.trained import TRAINING, untaught

FALSE_POSITIVES = 0.01
"""Share at which F1 is told beside that of each detector's own threshold."""


def _faces_key(scene: Scene, kind: str, held: Judged) -> dict[str, Any]:
    side = scene.plan.count("side_faces")
    return {"faces": scene.faces.digest, "side": side, "kind": kind, "attack": held.attack}


def _key(scene: Scene, kind: str, held: Judged) -> dict[str, Any]:
    source = source_hash((*ROOMS, *scene.subject.rooms))
    return {**scene.subject.identity, **_faces_key(scene, kind, held), "source": source}


def cells(scene: Scene) -> list[Cell]:
    """Own detectors on every set of faces, then each fitted one."""
    attacks = [scene.under(scene.threat(name)) for name in scene.plan.attacks]
    attacks += [scene.in_frame(name) for name in scene.plan.attacks]
    taught = [scene.fitting_under] if untaught(scene) else []
    out, kinds = cells_of([*attacks, *taught]), judged_faces(scene)
    passes = 1 + len(scene.subject.table.transforms)
    for kind, held in kinds.items():
        out.append(
            Cell(
                _own_name(scene, kind),
                _key(scene, kind, held),
                held.faces * (passes + 4.0),
                lambda held=held: _flat(own_detectors(held.make())),  # type: ignore[misc]
            )
        )
    for name in scene.plan.kept(FITTED):
        out += fitted_cells(scene, name, kinds)
    return out


def _own_name(scene: Scene, kind: str) -> str:
    return f"{scene.task}: MagDR's detectors on {kind}"


def _fitted_name(scene: Scene, name: str, kind: str) -> str:
    return f"{scene.task}: {name} on {kind}"


def fitted_on(scene: Scene, name: str) -> dict[str, Any]:
    """What a fitted detector depends on: part of the keys of its cells."""
    return {
        "generator": scene.subject.identity["generator"],
        "detector": name,
        "share": scene.plan.baseline_share,
        "fitting": scene.fitting_under.address,
        "pictures": scene.plan.picture_faces,
        "validation": scene.validation.digest,
        "source": source_hash(("baselines", *FITTED_ROOMS, *scene.subject.rooms)),
    }


def fitted_cells(scene: Scene, name: str, kinds: Mapping[str, Judged]) -> list[Cell]:
    """A fitted detector on each set of faces; it is fitted once, for the first that is missing."""

    @cache
    def judge() -> Callable[[Seen], tuple[Tensor, Tensor]]:
        return FITTED[name](scene)

    def make(seen: Callable[[], Seen]) -> dict[str, Tensor]:
        score, flagged = judge()(seen())
        return {"score": score, "flagged": flagged}

    training = TRAINING.get(name, 0.0) * scene.plan.baseline_share
    return [
        Cell(
            _fitted_name(scene, name, kind),
            {**fitted_on(scene, name), **_faces_key(scene, kind, held)},
            held.faces + (training if kind == CLEAN_NAME else 0.0),
            lambda held=held: make(held.make),  # type: ignore[misc]
        )
        for kind, held in kinds.items()
    ]


def _flat(judgements: Mapping[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    out: dict[str, Tensor] = {}
    for name, (score, flagged) in judgements.items():
        out |= {f"{name}|score": score, f"{name}|flagged": flagged}
    return out


def names_of(content: Mapping[str, Tensor]) -> list[str]:
    """Detectors in a cell, MagDR last."""
    names = sorted(key.removesuffix("|flagged") for key in content if key.endswith("|flagged"))
    return sorted(names, key=lambda name: (name == MAGDR, name != ALWAYS))


Judgements = dict[str, dict[str, tuple[Tensor, Tensor]]]
"""By detector, by set of faces: scores and verdicts."""


def judged(scene: Scene) -> Judgements:
    """All scores, out of finished cells."""
    out: Judgements = {}
    kinds = list(judged_faces(scene))
    by_name = {cell.name: cell for cell in cells(scene)}
    for kind in kinds:
        content = scene.store.get(by_name[_own_name(scene, kind)])
        for name in names_of(content):
            pair = (content[f"{name}|score"], content[f"{name}|flagged"].bool())
            out.setdefault(name, {})[kind] = pair
    for name in scene.plan.kept(FITTED):
        for kind in kinds:
            content = scene.store.get(by_name[_fitted_name(scene, name, kind)])
            out.setdefault(name, {})[kind] = (content["score"], content["flagged"].bool())
    return out


def row(
    task: str, attack: str, name: str, held: Mapping[str, tuple[Tensor, Tensor]]
) -> dict[str, Any]:
    """One detector against one attack, with every column."""
    clean_score, clean_flag = held[CLEAN_NAME]
    score, flag = held[attack]
    hard_score = torch.cat([held[kind][0] for kind in HARD])
    hard_flag = torch.cat([held[kind][1] for kind in HARD])
    return {
        "task": task,
        "attack": attack,
        "detector": name,
        "attacked": len(score),
        "clean": len(clean_score),
        "hard": len(hard_score),
        **asdict(decisions(clean_flag, flag)),
        "f1_interval": asdict(f1_estimate(clean_flag, flag)),
        "auroc": asdict(auroc_estimate(clean_score, score)),
        "tpr_at_1": true_positive_rate(clean_score, score, 0.01),
        "tpr_at_5": true_positive_rate(clean_score, score, 0.05),
        "roc": roc(clean_score, score),
        "hard_false_positives": asdict(estimate(hard_flag.double())),
        "hard_auroc": asdict(auroc_estimate(hard_score, score)),
        "hard_by_kind": {kind: float(held[kind][1].double().mean()) for kind in HARD},
        "all": _against_all(held, attack),
        "codecs": {carrier: _after_codec(held, attack, carrier) for carrier in CARRIERS},
    }


def _against_all(held: Mapping[str, tuple[Tensor, Tensor]], attack: str) -> dict[str, Any]:
    """Attacked faces against clean photographs and hard negatives together."""
    score, flag = held[attack]
    clean_score = torch.cat([held[kind][0] for kind in (CLEAN_NAME, *HARD)])
    clean_flag = torch.cat([held[kind][1] for kind in (CLEAN_NAME, *HARD)])
    return {
        "clean": len(clean_score),
        "auroc": asdict(auroc_estimate(clean_score, score)),
        "f1_at_1": asdict(f1_at(clean_score, score, FALSE_POSITIVES)),
        "tpr_at_1": true_positive_rate(clean_score, score, FALSE_POSITIVES),
        "f1_interval": asdict(f1_estimate(clean_flag, flag)),
        "recall": asdict(estimate(flag.double())),
        "false_positives": asdict(estimate(clean_flag.double())),
    }


def _after_codec(
    held: Mapping[str, tuple[Tensor, Tensor]], attack: str, carrier: str
) -> dict[str, Any]:
    """Attacked faces after a codec, against clean ones after the same; and those against before."""
    photograph, codec = held[CLEAN_NAME], held[coded_name(CLEAN_NAME, carrier)]
    attacked = held[coded_name(attack, carrier)]
    return {
        "crf": CRF,
        "faces": len(codec[0]),
        **asdict(decisions(codec[1], attacked[1])),
        "f1_interval": asdict(f1_estimate(codec[1], attacked[1])),
        "auroc": asdict(auroc_estimate(codec[0], attacked[0])),
        "alone_flagged": float(codec[1].double().mean()),
        "alone_auroc": asdict(auroc_estimate(photograph[0], codec[0])),
    }


def rows(
    scenes: Sequence[Scene], say: Callable[[str], None], pace: Pace | None = None
) -> list[dict[str, Any]]:
    """Table 1 for all tasks, attacks and detectors."""
    work_off([cell for scene in scenes for cell in cells(scene)], scenes[0].store, say, pace)
    out = []
    for scene in scenes:
        held = judged(scene)
        for attack in scene.plan.attacks:
            out += [row(scene.task, attack, name, kinds) for name, kinds in held.items()]
    return out
