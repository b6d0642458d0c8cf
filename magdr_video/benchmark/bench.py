"""Each benchmark from plan to files: measure, write the document, tables and figures."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from magdr_video.benchmark import adaptive, clip_cells, detection, purifiers, reconstruction, sanity
from magdr_video.benchmark.cells import CellStore, work_off
from magdr_video.benchmark.document import document
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
from magdr_video.benchmark.speed import measure_clip, speed_document
from magdr_video.benchmark.tables import (
    Table,
    adaptive_tables,
    clip_tables,
    detection_tables,
    full_tables,
    purifier_tables,
    reconstruction_tables,
    sanity_table,
    speed_tables,
)
from magdr_video.demo import write_source
from magdr_video.device import set_threads
from magdr_video.errors import OutputError
from magdr_video.loading import load_models
from magdr_video.provenance import write_json
from magdr_video.settings import Settings

Say = Callable[[str], None]
SELF_MADE_SECONDS = 4.0


def open_scenes(plan: Plan) -> tuple[CellStore, list[Scene]]:
    """The store of finished cells under the plan's folder, and a scene a task."""
    set_threads()
    store = CellStore(plan.out / "cells")
    return store, list(make_scenes(plan, store).values())


def _checked(scenes: Sequence[Scene], say: Say) -> list[dict[str, Any]]:
    store = scenes[0].store
    work_off([cell for scene in scenes for cell in sanity.sanity_cells(scene)], store, say)
    return sanity.run_checks(scenes)


def run_detection(plan: Plan, say: Say) -> dict[str, Any]:
    """Table 1; returns its document."""
    _, scenes = open_scenes(plan)
    rows = detection.rows(scenes, say)
    held = document(
        "detection", plan, scenes, plan.attacks, rows=rows, sanity=_checked(scenes, say)
    )
    figures = {"roc": lambda path: roc_figure(rows, plan.attacks[0], path)}
    _write(plan.out, "detection", held, _detection_pages(held), figures, say)
    return held


def run_reconstruction(
    plan: Plan, say: Say, codecs: Sequence[int] = (), clips: Sequence[Path] = ()
) -> dict[str, Any]:
    """Table 2 and Figure 4; returns the document."""
    _, scenes = open_scenes(plan)
    rows = reconstruction.rows(scenes, say, codecs)
    held = document(
        "reconstruction",
        plan,
        scenes,
        plan.attacks,
        rows=rows,
        clips=clip_cells.rows(scenes, clips, codecs, say),
        sanity=_checked(scenes, say),
    )
    figures = {"psnr": lambda path: repair_figure(rows, plan.attacks[0], path)}
    _write(plan.out, "reconstruction", held, _reconstruction_pages(held), figures, say)
    face_grid(reconstruction.grid(scenes), plan.out / "reconstruction-faces.png")
    return held


def run_adaptive(plan: Plan, say: Say) -> dict[str, Any]:
    """Figure 3; returns its document."""
    _, scenes = open_scenes(plan)
    rows = adaptive.rows(scenes, say)
    held = document("adaptive", plan, scenes, ("pgd", "adaptive"), rows=rows)
    figures = {"f1": lambda path: attack_curve(rows, path)}
    _write(plan.out, "adaptive", held, adaptive_tables(rows), figures, say)
    return held


def run_purifiers(plan: Plan, say: Say) -> dict[str, Any]:
    """Every purifier against every attack; returns the document."""
    _, scenes = open_scenes(plan)
    rows = purifiers.rows(scenes, purifiers.ATTACKS, say)
    held = document("purifiers", plan, scenes, purifiers.ATTACKS, rows=rows)
    _write(plan.out, "purifiers", held, purifier_tables(rows), {}, say)
    return held


def _adaptive_pages(held: Mapping[str, Any]) -> list[Table]:
    return adaptive_tables(held["rows"])


def _purifier_pages(held: Mapping[str, Any]) -> list[Table]:
    return purifier_tables(held["rows"])


def _detection_pages(held: Mapping[str, Any]) -> list[Table]:
    return [*detection_tables(held["rows"]), sanity_table(held["sanity"])]


def _reconstruction_pages(held: Mapping[str, Any]) -> list[Table]:
    rows = held["rows"]
    tables = [*reconstruction_tables(rows), *clip_tables(held["clips"])]
    return [*tables, *full_tables(rows), sanity_table(held["sanity"])]


KINDS = ("detection", "reconstruction", "adaptive", "purifiers")
"""The benchmarks on faces, in the order of the page of results."""

PAGES: Mapping[str, Callable[[Mapping[str, Any]], list[Table]]] = {
    "detection": _detection_pages,
    "reconstruction": _reconstruction_pages,
    "adaptive": _adaptive_pages,
    "purifiers": _purifier_pages,
}
"""The tables of each benchmark's document."""


def run_speed(
    clips: Sequence[Path],
    settings: Settings,
    out: Path,
    say: Say,
    *,
    limit: int = 0,
    plot: bool = False,
) -> dict[str, Any]:
    """Speed on clips, or on a self-made one where none is given; returns the document."""
    if plot:
        pyplot()
    _make_folder(out)
    models = load_models(settings)
    with tempfile.TemporaryDirectory() as scratch:
        if not clips:
            own = Path(scratch) / "portrait.mp4"
            write_source(own, SELF_MADE_SECONDS, overwrite=True)
            clips = [own]
        rows = [measure_clip(clip, settings, models, limit=limit, say=say) for clip in clips]
    held = speed_document(rows, settings, models)
    figures = {"cost": lambda path: cost_figure(rows, path)} if plot else {}
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
