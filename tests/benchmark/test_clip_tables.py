"""The document of the benchmark on clips as tables, and the words around them."""

from __future__ import annotations

from typing import Any

import torch

from magdr_video.benchmark.clip_cells import packed, unpacked
from magdr_video.benchmark.clip_runs import Run
from magdr_video.benchmark.clip_tables import clip_command, clip_lead, clip_tables
from magdr_video.benchmark.results import results_page
from magdr_video.report import report_document
from magdr_video.settings import TASKS, load_settings
from magdr_video.types import RunReport

HELD = {"mean": 30.0, "low": 29.0, "high": 31.0, "count": 17}
PLAN = {"codecs": [18, 23], "frames": 17, "seed": 7}


def row(name: str) -> dict[str, Any]:
    return {"row": name, "psnr": HELD, "flicker": 1.0}


def clip(**parts: Any) -> dict[str, Any]:
    held = {"clip": "a.mp4", "frames": 17, "faces": 17, "versions": [], "runs": []}
    return {"task": "edit", **unpacked(packed(held | parts))}


def run(name: str, **more: Any) -> dict[str, Any]:
    held = {"run": name, "psnr": HELD, "flicker": 1.5, "passes a face": 1.25, "choices": 2}
    held |= {"faces": 17, "faces_perturbed": 16, "searches": 0, "recipe_hits": 14}
    return held | {"faces_unresolved": 1} | more


def test_a_clip_has_a_column_for_each_codec_and_a_row_for_each_repair_of_any() -> None:
    versions = [
        {"crf": 0, "shared": False, "rows": [row("no defence")]},
        {"crf": 23, "shared": False, "rows": [row("no defence"), row("clean clip")]},
        {"crf": None, "shared": True, "rows": [row("no defence")]},
    ]
    (table,) = clip_tables([clip(versions=versions)])
    last = "lossless, one perturbation for all frames"
    assert table.head == ("row", "lossless", "H.264 crf 23", last)
    shown = "30.0 [29.0, 31.0]"
    assert table.rows == (("no defence", shown, shown, shown), ("clean clip", "-", shown, "-"))


def test_a_whole_run_says_what_the_cache_saves_and_costs() -> None:
    cost = {"mean": 0.02, "low": -0.01, "high": 0.05, "count": 17}
    rows = [run("defended", choices_saved=0.9926, behind_no_cache=cost), run("no cache")]
    (table,) = clip_tables([clip(runs=rows)])
    assert table.title == "Whole runs, edit, a.mp4, 17 face-frames"
    cached, uncached = (dict(zip(table.head, line, strict=True)) for line in table.rows)
    assert cached["PSNR (O) [95 %], dB"] == "30.00 [29.00, 31.00]"
    assert cached["dB behind no cache [95 %]"] == "0.02 [-0.01, 0.05]"
    assert cached["choices saved"] == "99.3%" and cached["flicker / clean"] == "1.500"
    assert cached["generator passes a face-frame"] == "1.250"
    assert cached["perturbed"] == "16 of 17"
    shown = ("repairs chosen", "reused", "unresolved")
    assert [cached[name] for name in shown] == ["2", "14", "1"]
    assert uncached["dB behind no cache [95 %]"] == uncached["choices saved"] == "-"


def test_clean_input_has_a_table_of_its_own() -> None:
    counts = {"identical": 16, "compared": 17, "changed_by": 3}
    none = {"identical": 17, "compared": 17}
    none |= dict.fromkeys(("changed_by", "changed_psnr", "changed_lost"))
    changed = {"changed_psnr": HELD, "changed_lost": {**HELD, "mean": 0.5, "low": 0.25, "high": 1}}
    rows = [
        run("clean clip, lossless", **none),
        run("clean clip, crf 23", faces_perturbed=1, **counts, **changed),
        run("defended"),
    ]
    _, table = clip_tables([clip(runs=rows)])
    assert table.title == "Clean input, edit, a.mp4, 17 face-frames"
    assert table.rows == (
        ("clean clip, lossless", "16 of 17", "17 of 17", "100.0%", "-", "-", "-"),
        (
            "clean clip, crf 23",
            "1 of 17",
            "16 of 17",
            "94.1%",
            "3",
            "30.00 [29.00, 31.00]",
            "0.50 [0.25, 1.00]",
        ),
    )


def test_a_run_without_a_verdict_has_its_row_beside_one_with_verdicts() -> None:
    lines = []
    for enabled in ("false", "true"):
        settings = load_settings(task="edit", overrides=[f"detection.enabled={enabled}"])
        report = RunReport(faces=6, faces_perturbed=4, generator_passes=9)
        document = report_document(
            command="defend", source="a", output="b", settings=settings, report=report
        )
        lines.append(Run(torch.tensor([30.0, 32.0]), 1.5, document["run"]).about(enabled))
    (table,) = clip_tables([clip(runs=lines)])
    without, with_verdicts = (dict(zip(table.head, line, strict=True)) for line in table.rows)
    assert without["perturbed"] == "-" and with_verdicts["perturbed"] == "4 of 6"
    assert without["generator passes a face-frame"] == "1.500"


def document(plan: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "benchmark": "clips",
        "quick": False,
        "plan": PLAN | plan,
        "rows": [clip(**parts)],
        "subjects": {},
        "libraries": {"torch": "2.14"},
        "machine": {"cpu": "Test CPU", "cores": 2},
        "commit": "0123",
    }


def test_the_command_of_a_document_measures_the_same_again() -> None:
    usual = {"tasks": list(TASKS), "runs": False, "versions": True, "protected": None}
    start = "magdr-video benchmark clips a.mp4 --frames 17 --codecs 18,23"
    assert clip_command(document(usual)) == f"{start} --seed 7"
    assert clip_command(document({})) == f"{start} --seed 7"
    assert clip_command(document(usual | {"runs": True})) == f"{start} --runs --seed 7"
    other = {"tasks": ["edit"], "runs": True, "versions": False, "protected": "my clip.mkv"}
    setting = "condition.attributes=Black_Hair"
    assert clip_command(document(other | {"overrides": [setting]})) == (
        f"{start} --tasks edit --protected 'my clip.mkv' --runs-only --seed 7 --set {setting}"
    )


def test_the_page_explains_the_tables_that_it_shows() -> None:
    versions = [{"crf": 0, "shared": False, "rows": [row("no defence")]}]
    page = results_page({"clips": document({}, versions=versions)})
    assert "First 17 frames of each clip, seed 7." in page
    assert "'best classical single transform'" in page and "Whole runs go" not in page
    only = document({"frames": 0}, runs=[run("defended")])
    assert "All frames, seed 7." in clip_lead(only) and "Whole runs go" in clip_lead(only)
    assert "'best classical single transform'" not in clip_lead(only)
