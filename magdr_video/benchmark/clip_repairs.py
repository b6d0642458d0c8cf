"""What repairs of a protected clip are worth: rows of PSNR(O) on its crops.

The clip is protected frame by frame, kept lossless or encoded, and repaired; what is wanted is
the translation of the clean clip's crops. All versions are cut at the clean clip's faces, so
that differences of alignment do not count.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.pgd import pgd, round_within
from magdr_video.benchmark.clip_cuts import LOSSLESS, ClipPair, Cuts
from magdr_video.benchmark.measures import flicker
from magdr_video.benchmark.repairs import PURIFIER
from magdr_video.benchmark.statistics import estimate
from magdr_video.criteria import psnr_db
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.device import side_by_side
from magdr_video.errors import SettingsError
from magdr_video.faces.parsing import parse
from magdr_video.faces.regions import region_masks
from magdr_video.loading import Models
from magdr_video.reconstruction.composer import Chain
from magdr_video.reconstruction.fitted import RecNetTable
from magdr_video.reconstruction.temporal import average_along_motion, window_around
from magdr_video.settings import Settings
from magdr_video.stages.chooser import Chooser, Faces
from magdr_video.stages.generator import chunk_for
from magdr_video.staging import asked_for
from magdr_video.transforms import apply_chain, purify_along_motion
from magdr_video.translation import translate_in_pieces
from magdr_video.types import RunReport

Say = Callable[[str], None]

WINDOWS = (3, 5, 9)
CODEC_ALONE = "clean clip, same codec"
"""The row that says what the codec leaves at best."""


@dataclass(frozen=True)
class Bench:
    """One clip's crops with what judges and translates them; one face a frame."""

    settings: Settings
    models: Models
    clean: Tensor
    """(F, 3, S, S)."""
    wanted: Tensor
    """(F, 3, S, S), the translation of the clean crops."""

    @property
    def table(self) -> RecNetTable:
        """What the pre-training found."""
        return self.models.recnet

    def condition(self, count: int) -> Tensor:
        """The settings' condition for every crop."""
        return self.models.translator.condition(self.models.condition, count)

    def generate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate in pieces."""
        most = chunk_for(crops.device)
        return translate_in_pieces(self.models.translator.translate, crops, condition, most)

    def row(self, name: str, crops: Tensor) -> dict[str, Any]:
        """PSNR(O) with its interval over frames, and flicker against the clean translation."""
        output = self.generate(crops, self.condition(len(crops)))
        psnr = estimate(psnr_db(output, self.wanted))
        ratio = flicker(output, self.wanted)
        return {"row": name, "psnr": dataclasses.asdict(psnr), "flicker": ratio}


def averaged(crops: Tensor, window: int) -> Tensor:
    """Every crop averaged with its neighbours, as many at the ends as in the middle."""
    pictures = crops.cpu()

    def average(place: int) -> Tensor:
        near = window_around(place, len(crops), window)
        return average_along_motion([pictures[at] for at in near], near.index(place))

    return torch.stack(side_by_side(average, range(len(crops)))).to(crops)


def chosen(bench: Bench, crops: Tensor, base: Tensor, budget: int, *, averaged: bool) -> Tensor:
    """Every crop as the outer loop repairs it without a cache, whatever the verdict.

    Args:
        crops: (F, 3, S, S) as they were cut.
        base: what is repaired, the crops or their averages.
        budget: generator passes a face of a search.
        averaged: says which.
    """
    models, task, table = bench.models, bench.settings.task, bench.models.table
    if table is None:
        raise SettingsError("a repair is chosen by detection.enabled = true")
    names = asked_for(models.translator.record.conditions, models.condition)
    classes = parse(crops, models.parser, models.parser_size)
    attention = models.target_attention(crops, bench.condition(len(crops)))
    masks = region_masks(classes, task, names, attention)
    decide = bench.settings.detection.decide
    detector = PerturbationDetector(bench.generate, table, decide=decide)
    chooser = Chooser(detector, bench.table, budget, RunReport())
    condition, scores = bench.condition(len(crops)), [float("inf")] * len(crops)
    choices = chooser.choose(Faces(crops, base, masks, condition, scores, averaged=averaged))
    out = []
    for place, choice in enumerate(choices):
        one = dataclasses.replace(masks, data=masks.data[place : place + 1])
        out.append(choice.apply(base[place : place + 1], one))
    return torch.cat(out)


def as_fitted(bench: Bench, crops: Tensor) -> Tensor:
    """Every crop as a run repairs it without a search; without a detector, by the table alone."""
    table = bench.table
    base = averaged(crops, table.window)
    if table.motion_purifier:
        base = purify_along_motion(base, crops)
    if bench.models.table is None:
        return apply_chain(base, table.averaged.default)
    return chosen(bench, crops, base, 0, averaged=True)


def best_single(table: RecNetTable) -> Chain:
    """The denoiser that fitted best alone; the default chain where nothing was fitted."""
    return (table.layers[0][0],) if table.layers and table.layers[0] else table.single.default


def best_classical(table: RecNetTable) -> Chain:
    """The denoiser without learned weights that fitted best alone; empty where none fitted."""
    denoisers = table.layers[0] if table.layers else ()
    return tuple(choice for choice in denoisers if choice.category != PURIFIER)[:1]


def rows_of(bench: Bench, crops: Tensor, budget: int) -> list[dict[str, Any]]:
    """Every repair of one version of the clip.

    Args:
        crops: (F, 3, S, S) as they were cut from the version.
        budget: generator passes a face of the search; 0 leaves its row out.
    """
    table = bench.table
    rows = [bench.row("no defence", crops)]
    if classical := best_classical(table):
        rows.append(bench.row("best classical single transform", apply_chain(crops, classical)))
    rows += [
        bench.row("best single transform", apply_chain(crops, best_single(table))),
        bench.row("default chain", apply_chain(crops, table.single.default)),
    ]
    if budget:
        rows.append(
            bench.row("search, every frame", chosen(bench, crops, crops, budget, averaged=False))
        )
    for window in WINDOWS:
        mean = averaged(crops, window)
        rows.append(bench.row(f"average of {window}", mean))
        chained = apply_chain(mean, table.averaged.default or table.single.default)
        rows.append(bench.row(f"average of {window}, chain", chained))
        purified = purify_along_motion(mean, crops)
        rows.append(bench.row(f"average of {window}, motion purifier", purified))
    rows.append(bench.row("as fitted", as_fitted(bench, crops)))
    return rows


def shared_attack(bench: Bench, seed: int) -> Tensor:
    """One perturbation, made for the middle frame, on all crops: (F, 3, S, S)."""
    clean = bench.clean
    middle = clean[len(clean) // 2][None]
    target = middle if bench.settings.task == "replace" else None
    translate = bench.models.translator.translate
    held = pgd(translate, middle, bench.condition(1), target=target, seed=seed)
    delta = held - middle
    return round_within((clean + delta).clamp(0, 1), clean, 0.05)


def measure_versions(
    bench: Bench, cuts: Cuts, pairs: Mapping[int, ClipPair], budget: int, say: Say
) -> list[dict[str, Any]]:
    """Rows of the protected clip after each codec, and of a perturbation that frames share.

    A codec has a row for the clean clip too: what is left when nothing but the codec was there.
    """
    out = []
    for crf, pair in pairs.items():
        rows = rows_of(bench, cuts.crops(pair.protected), budget)
        if crf != LOSSLESS:
            rows.append(bench.row(CODEC_ALONE, cuts.crops(pair.clean)))
        out.append({"crf": crf, "shared": False, "rows": rows})
        say(f"  crf {crf}: {_said(rows)}")
    rows = rows_of(bench, shared_attack(bench, bench.settings.run.seed), budget=0)
    out.append({"crf": None, "shared": True, "rows": rows})
    say(f"  shared: {_said(rows)}")
    return out


def _said(rows: Sequence[dict[str, Any]]) -> str:
    return ", ".join(f"{row['row']} {row['psnr']['mean']:.2f}" for row in rows)
