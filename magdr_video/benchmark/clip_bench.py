"""The benchmarks on clips from plan to files: repairs of protected clips, and speed."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from magdr_video.benchmark import clip_cells
from magdr_video.benchmark.cells import CellStore
from magdr_video.benchmark.clip_cells import ClipPlan
from magdr_video.benchmark.clip_protection import require_same_size
from magdr_video.benchmark.document import made_by
from magdr_video.benchmark.figures import cost_figure, pyplot
from magdr_video.benchmark.pages import PAGES
from magdr_video.benchmark.speed import SpeedPlan, measure_clip, speed_document
from magdr_video.benchmark.speed_tables import speed_tables
from magdr_video.benchmark.variants import make_variant, require_variants
from magdr_video.benchmark.writing import make_folder, write_benchmark
from magdr_video.demo import write_source
from magdr_video.device import describe, set_threads
from magdr_video.loading import load_models
from magdr_video.settings import Settings

Say = Callable[[str], None]
SELF_MADE_SECONDS = 4.0


def run_clips(plan: ClipPlan, out: Path, say: Say) -> dict[str, Any]:
    """Repairs of protected clips; returns the document.

    Raises:
        InputError: a protected version that is given has frames of another size.
    """
    if plan.protected is not None:
        require_same_size(plan.clips[0], plan.protected)
    set_threads()
    held = clip_cells.subjects(plan)
    rows = clip_cells.rows(plan, held, CellStore(out / "cells"), say)
    about = {
        "tasks": list(plan.tasks),
        "codecs": list(plan.codecs),
        "frames": plan.frames,
        "seed": plan.seed,
        "overrides": list(plan.overrides),
        "versions": plan.versions,
        "runs": plan.runs,
        "protected": plan.protected.name if plan.protected else None,
    }
    shared = made_by("clips", held)
    for subject in held:
        shared["subjects"][subject.task]["sha256"] = clip_cells.identity_of(subject)
    found = {
        **shared,
        "quick": False,
        "device": describe(held[0].device),
        "plan": about,
        "rows": rows,
    }
    write_benchmark(out, "clips", found, PAGES["clips"](found), {}, say)
    return found


def run_speed(
    clips: Sequence[Path],
    settings: Settings,
    out: Path,
    say: Say,
    plan: SpeedPlan,
    *,
    variants: Sequence[str] = (),
    plot: bool = False,
) -> dict[str, Any]:
    """Speed on clips, or on a self-made one where none is given; returns the document.

    It is written after each clip, so that an interruption leaves what was measured.

    Args:
        variants: made of each clip and measured after it, see `variants.VARIANTS`.
    """
    if plot:
        pyplot()
    require_variants(variants)
    make_folder(out)
    models = load_models(settings)
    rows: list[dict[str, Any]] = []
    held: dict[str, Any] = {}
    figures = {"cost": lambda path: cost_figure(rows, path)} if plot else {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if not clips:
            clips = [folder / "portrait.mp4"]
            write_source(clips[0], SELF_MADE_SECONDS, overwrite=True)
        made = (make_variant(clip, name, folder, plan.limit) for clip in clips for name in variants)
        for clip in chain(clips, made):
            rows.append(measure_clip(clip, settings, models, plan, say))
            held = speed_document(rows, settings, models)
            write_benchmark(out, "speed", held, speed_tables(held), figures, say)
    return held
