"""Each benchmark from plan to files: measure, write the document, tables and figures."""

from __future__ import annotations

import dataclasses
import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from magdr_video.benchmark import (
    adaptive,
    clip_cells,
    detection,
    purifiers,
    reconstruction,
    sanity,
    strength,
)
from magdr_video.benchmark.attacked import cells_of
from magdr_video.benchmark.cells import Cell, CellStore, Pace, weight_of, work_off
from magdr_video.benchmark.clip_cells import ClipPlan
from magdr_video.benchmark.document import document, made_by
from magdr_video.benchmark.figures import (
    attack_curve,
    cost_figure,
    face_grid,
    pyplot,
    repair_figure,
    roc_figure,
)
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.scene import Scene, make_scenes
from magdr_video.benchmark.speed import SpeedPlan, measure_clip, speed_document
from magdr_video.benchmark.table import Table
from magdr_video.benchmark.tables import (
    adaptive_tables,
    clip_tables,
    codec_detection_tables,
    detection_tables,
    full_tables,
    purifier_tables,
    reconstruction_tables,
    sanity_table,
    speed_tables,
    strength_table,
)
from magdr_video.benchmark.variants import make_variant, require_variants
from magdr_video.demo import write_source
from magdr_video.device import describe, set_threads
from magdr_video.errors import OutputError, UsageError, nearest
from magdr_video.loading import load_models
from magdr_video.provenance import write_json
from magdr_video.settings import Settings

Say = Callable[[str], None]
SELF_MADE_SECONDS = 4.0


def open_scenes(plan: Plan) -> list[Scene]:
    """A scene a task, over the store of finished cells under the plan's folder."""
    set_threads()
    return list(make_scenes(plan, CellStore(plan.out / "cells")).values())


def _sanity_cells(scenes: Sequence[Scene]) -> list[Cell]:
    sets = [held for scene in scenes for held in sanity.attacked_faces(scene).values()]
    return cells_of(sets)


def _checked(scenes: Sequence[Scene], say: Say, pace: Pace | None) -> list[dict[str, Any]]:
    """All checks; as part of a longer run (`pace`) none while their attacks are to be made."""
    cells, store = _sanity_cells(scenes), scenes[0].store
    if pace is not None and not all(store.has(cell) for cell in cells):
        return []
    work_off(cells, store, say, pace)
    return sanity.run_checks(scenes)


Codecs = Sequence[int]
"""Rate factors of Table 2's codec rows; the others have none."""


def run_detection(
    plan: Plan, say: Say, codecs: Codecs = (), pace: Pace | None = None
) -> dict[str, Any]:
    """Table 1; returns its document."""
    scenes = open_scenes(plan)
    rows = detection.rows(scenes, say, pace)
    held = document(
        "detection",
        plan,
        scenes,
        plan.attacks,
        rows=rows,
        strength=strength.rows(scenes),
        sanity=_checked(scenes, say, pace),
    )
    figures = {"roc": lambda path: roc_figure(rows, plan.attacks[0], path)}
    _write(plan.out, "detection", held, _detection_pages(held), figures, say)
    return held


def run_reconstruction(
    plan: Plan, say: Say, codecs: Codecs = (), pace: Pace | None = None
) -> dict[str, Any]:
    """Table 2 and Figure 4; returns the document."""
    scenes = open_scenes(plan)
    rows = reconstruction.rows(scenes, say, codecs, pace)
    held = document(
        "reconstruction",
        plan,
        scenes,
        plan.attacks,
        rows=rows,
        sanity=_checked(scenes, say, pace),
    )
    figures = {"psnr": lambda path: repair_figure(rows, plan.attacks[0], path)}
    _write(plan.out, "reconstruction", held, _reconstruction_pages(held), figures, say)
    face_grid(reconstruction.grid(scenes), plan.out / "reconstruction-faces.png")
    return held


def run_adaptive(
    plan: Plan, say: Say, codecs: Codecs = (), pace: Pace | None = None
) -> dict[str, Any]:
    """Figure 3; returns its document."""
    scenes = open_scenes(plan)
    rows = adaptive.rows(scenes, say, pace)
    held = document("adaptive", plan, scenes, (), rows=rows)
    held["threat_models"] = adaptive.threat_models(scenes)
    figures = {"f1": lambda path: attack_curve(rows, path)}
    _write(plan.out, "adaptive", held, adaptive_tables(rows), figures, say)
    return held


def run_purifiers(
    plan: Plan, say: Say, codecs: Codecs = (), pace: Pace | None = None
) -> dict[str, Any]:
    """Every purifier against every attack; returns the document."""
    scenes = open_scenes(plan)
    rows = purifiers.rows(scenes, purifiers.ATTACKS, say, pace)
    count = plan.count("purifier_faces")
    held = document("purifiers", plan, scenes, purifiers.ATTACKS, count, rows=rows)
    _write(plan.out, "purifiers", held, purifier_tables(rows), {}, say)
    return held


RUNS: Mapping[str, Callable[[Plan, Say, Codecs, Pace | None], dict[str, Any]]] = {
    "detection": run_detection,
    "reconstruction": run_reconstruction,
    "adaptive": run_adaptive,
    "purifiers": run_purifiers,
}
"""The benchmarks on faces, in the order of the page of results."""


def run_all(
    plan: Plan,
    say: Say,
    codecs: Codecs = (),
    tell: Callable[[], None] = lambda: None,
    kinds: Sequence[str] = tuple(RUNS),
) -> None:
    """All four, the attacks of the tables one after another; what they share is computed once.

    An interruption leaves the documents of what was finished: both tables on the first attack
    come first, then the checks, then both tables on the further attacks, then the attackers who
    know the defence. Where nothing is left to compute, only the last documents are written.

    Args:
        tell: called whenever a document was written.
        kinds: those of the benchmarks that are run.

    Raises:
        UsageError: there is no such benchmark.
    """
    for kind in kinds:
        if kind not in RUNS:
            raise UsageError(f"there is no benchmark '{kind}'", hint=nearest(kind, RUNS))
    scenes = open_scenes(plan)
    pace = Pace(_weight_of_all(scenes, codecs, kinds))
    tabled = [kind for kind in ("detection", "reconstruction") if kind in kinds]

    def tables(attacks: int) -> None:
        part = dataclasses.replace(plan, attacks=plan.attacks[:attacks])
        for kind in tabled:
            RUNS[kind](part, say, codecs, pace)
            tell()

    if tabled and pace.left:
        tables(1)
        work_off(_sanity_cells(scenes), scenes[0].store, say, pace)
    for attacks in range(min(2, len(plan.attacks)), len(plan.attacks) + 1):
        tables(attacks)
    for kind in kinds:
        if kind not in tabled:
            RUNS[kind](plan, say, codecs, pace)
            tell()


def _weight_of_all(scenes: Sequence[Scene], codecs: Codecs, kinds: Sequence[str]) -> float:
    cells: list[Cell] = []
    for scene in scenes:
        if "detection" in kinds:
            cells += detection.cells(scene)
        if "reconstruction" in kinds:
            cells += reconstruction.cells(scene, codecs)
        if "adaptive" in kinds:
            cells += adaptive.cells(scene)
        if "purifiers" in kinds:
            cells += purifiers.cells(scene, purifiers.ATTACKS)
    if {"detection", "reconstruction"} & set(kinds):
        cells += _sanity_cells(scenes)
    return weight_of(cells, scenes[0].store)


def _adaptive_pages(held: Mapping[str, Any]) -> list[Table]:
    return adaptive_tables(held["rows"])


def _purifier_pages(held: Mapping[str, Any]) -> list[Table]:
    return purifier_tables(held["rows"])


def _detection_pages(held: Mapping[str, Any]) -> list[Table]:
    rows = held["rows"]
    tables = [*detection_tables(rows), *codec_detection_tables(rows)]
    return [*tables, strength_table(held["strength"]), *_sanity_pages(held)]


def _reconstruction_pages(held: Mapping[str, Any]) -> list[Table]:
    rows = held["rows"]
    return [*reconstruction_tables(rows), *full_tables(rows), *_sanity_pages(held)]


def _sanity_pages(held: Mapping[str, Any]) -> list[Table]:
    return [sanity_table(held["sanity"])] if held["sanity"] else []


def _clip_pages(held: Mapping[str, Any]) -> list[Table]:
    return clip_tables(held["rows"])


PAGES: Mapping[str, Callable[[Mapping[str, Any]], list[Table]]] = {
    "detection": _detection_pages,
    "reconstruction": _reconstruction_pages,
    "adaptive": _adaptive_pages,
    "purifiers": _purifier_pages,
    "clips": _clip_pages,
}
"""The tables of each benchmark's document."""


def run_clips(plan: ClipPlan, out: Path, say: Say) -> dict[str, Any]:
    """Repairs of protected clips; returns the document."""
    set_threads()
    held = clip_cells.subjects(plan)
    rows = clip_cells.rows(plan, held, CellStore(out / "cells"), say)
    about = {"codecs": list(plan.codecs), "frames": plan.frames, "seed": plan.seed}
    found = {
        **made_by("clips", held),
        "quick": False,
        "device": describe(held[0].device),
        "plan": about,
        "rows": rows,
    }
    _write(out, "clips", found, _clip_pages(found), {}, say)
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
    _make_folder(out)
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
            _write(out, "speed", held, speed_tables(held), figures, say)
    return held


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}") from error


def _write(
    folder: Path,
    name: str,
    held: Mapping[str, Any],
    tables: Sequence[Table],
    figures: Mapping[str, Callable[[Path], None]],
    say: Say,
) -> None:
    """Document, Markdown, LaTeX and figures, named after the benchmark.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_json(folder / f"{name}.json", held)
    try:
        markdown = "\n\n".join(table.markdown() for table in tables)
        (folder / f"{name}.md").write_text(markdown + "\n", encoding="utf-8")
        latex = "\n\n".join(table.latex() for table in tables)
        (folder / f"{name}.tex").write_text(latex + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    if importlib.util.find_spec("matplotlib") is None:
        say('no figures: they need matplotlib (pip install "magdr-video[benchmark]")')
        return
    for figure, draw in figures.items():
        draw(folder / f"{name}-{figure}.png")
