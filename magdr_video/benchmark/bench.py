"""Each benchmark on faces from plan to files: measure, write the document, tables and figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from magdr_video.benchmark import (
    adaptive,
    clean_input,
    detection,
    purifiers,
    reconstruction,
    sanity,
    strength,
)
from magdr_video.benchmark.attacked import cells_of
from magdr_video.benchmark.cells import Cell, CellStore, Pace, weight_of, work_off
from magdr_video.benchmark.document import document
from magdr_video.benchmark.figures import attack_curve, face_grid, repair_figure, roc_figure
from magdr_video.benchmark.pages import PAGES
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.scene import Scene, make_scenes
from magdr_video.benchmark.writing import write_benchmark
from magdr_video.device import set_threads
from magdr_video.errors import UsageError, nearest

Say = Callable[[str], None]


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
    write_benchmark(plan.out, "detection", held, PAGES["detection"](held), figures, say)
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
        margins=reconstruction.lead(scenes),
        clean=clean_input.rows(scenes),
        sanity=_checked(scenes, say, pace),
    )
    figures = {"psnr": lambda path: repair_figure(rows, plan.attacks[0], path)}
    write_benchmark(plan.out, "reconstruction", held, PAGES["reconstruction"](held), figures, say)
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
    write_benchmark(plan.out, "adaptive", held, PAGES["adaptive"](held), figures, say)
    return held


def run_purifiers(
    plan: Plan, say: Say, codecs: Codecs = (), pace: Pace | None = None
) -> dict[str, Any]:
    """Every purifier against every attack; returns the document."""
    scenes = open_scenes(plan)
    rows = purifiers.rows(scenes, purifiers.ATTACKS, say, pace)
    count = plan.count("purifier_faces")
    held = document("purifiers", plan, scenes, purifiers.ATTACKS, count, rows=rows)
    write_benchmark(plan.out, "purifiers", held, PAGES["purifiers"](held), {}, say)
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
