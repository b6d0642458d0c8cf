"""The run of all benchmarks: what comes first, and what the attacks reach before any defence."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magdr_video.benchmark import bench, strength
from magdr_video.benchmark.tables import strength_table
from magdr_video.benchmark.verdicts import EVADED, adaptive_lines, repair_lines
from magdr_video.errors import UsageError
from tests.benchmark.toy_subject import toy_plan, toy_scene


def test_both_tables_come_first_and_each_document_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, tuple[str, ...]]] = []
    told: list[int] = []

    def noted(kind: str) -> Any:
        return lambda plan, say, codecs, pace: done.append((kind, plan.attacks))

    monkeypatch.setattr(bench, "RUNS", {kind: noted(kind) for kind in bench.RUNS})
    scene = SimpleNamespace(store=None)
    monkeypatch.setattr(bench, "open_scenes", lambda plan: [scene])
    monkeypatch.setattr(bench, "_sanity_cells", lambda scenes: [])
    monkeypatch.setattr(bench, "work_off", lambda *_: done.append(("checks", ())))
    monkeypatch.setattr(bench, "_weight_of_all", lambda *_: left)
    plan, left = toy_plan(tmp_path, attacks=("pgd", "cw")), 1.0
    bench.run_all(plan, lambda text: None, tell=lambda: told.append(len(done)))
    both = ("pgd", "cw")
    assert done == [
        ("detection", ("pgd",)),
        ("reconstruction", ("pgd",)),
        ("checks", ()),
        ("detection", both),
        ("reconstruction", both),
        ("adaptive", both),
        ("purifiers", both),
    ]
    assert told == [1, 2, 4, 5, 6, 7]

    done.clear()
    left = 0.0
    bench.run_all(plan, lambda text: None)
    assert [kind for kind, _ in done] == list(bench.RUNS), "nothing left: each once"
    done.clear()
    bench.run_all(plan, lambda text: None, kinds=("adaptive",))
    assert done == [("adaptive", both)]
    with pytest.raises(UsageError, match="adaptiv"):
        bench.run_all(plan, lambda text: None, kinds=("adaptiv",))


def test_carlini_wagner_has_a_row_before_clipping(tmp_path: Path) -> None:
    scene = toy_scene(tmp_path, attacks=("pgd", "cw"), cw_steps=12, cw_trade_offs=2)
    rows = strength.rows([scene])
    assert [(row["attack"], row["stage"]) for row in rows] == [
        ("pgd", strength.CLIPPED),
        ("cw", strength.CLIPPED),
        ("cw", strength.UNCLIPPED),
    ]
    clipped, free = rows[1], rows[2]
    assert clipped["rms"]["mean"] <= 0.05 < free["rms"]["mean"]
    assert clipped["damage"]["mean"] < free["damage"]["mean"]
    table = strength_table(rows)
    assert {len(line) for line in table.rows} == {len(table.head)}


def repaired(name: str, kind: str, psnr: float, untouched: float = 0.0) -> dict[str, Any]:
    columns = {"o|psnr": {"mean": psnr}, "untouched": {"mean": untouched}}
    about = {"task": "edit", "input": "pgd", "faces": 4, "kind": kind}
    return {**about, "row": name, "columns": columns}


def test_faces_that_the_gate_left_alone_are_named_with_what_a_repair_would_have_given() -> None:
    rows = [
        repaired("no defence", "none", 20.0),
        repaired("default recipe", "own", 27.0),
        repaired("MagDR", "own", 24.0, untouched=0.25),
    ]
    (line,) = repair_lines(rows)
    assert "left 25% of the attacked faces as they were" in line
    assert line.endswith("gives 27.00")
    (gated,) = repair_lines([rows[0], rows[1], repaired("MagDR", "own", 27.0)])
    assert "left" not in gated


def test_the_ends_of_a_curve_are_those_of_magdr() -> None:
    def point(detector: str, steps: int, f1: float) -> dict[str, Any]:
        damage = {"damage": {"mean": 0.02 * steps}, "damage_behind": {"mean": 0.01}}
        return {"task": "edit", "attack": "adaptive", "detector": detector, "steps": steps,
                "f1": f1, **damage}  # fmt: skip

    rows = [
        point(name, steps, f1) for steps, f1 in ((1, 0.9), (20, 0.4)) for name in ("DD", "MagDR")
    ]
    rows += [point("otd", 1, 0.8), point("otd", 20, 0.3), point("metzen", 20, 0.2)]
    line, *_, evaded = adaptive_lines(rows)
    assert evaded == EVADED
    held = [row | {"f1": 0.9} for row in rows]
    assert EVADED not in adaptive_lines(held)
    assert "F1 0.90 after 1 and 0.40 after 20 iterations" in line
    assert "0.4000 without and 0.0100 behind" in line
    assert line.endswith("best baseline on these faces 'otd', F1 0.30")
