"""`magdr-video benchmark`: what is refused, and with which exit code; nothing is measured here."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.baselines.registry import DETECTORS, RECONSTRUCTORS
from magdr_video.benchmark import clip_bench, clip_cells
from magdr_video.benchmark.clip_cells import ClipPlan as ClipBenchmark
from magdr_video.command import main
from magdr_video.command.benchmark_options import plan_of
from tests.clips import ClipPlan, make_clip


def code_of(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["benchmark", *arguments])
    return int(stopped.value.code or 0)


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (["--tasks", "edti"], 4, "did you mean 'edit'?"),
        (["--tasks", ","], 2, "at least one task"),
        (["--epsilon", "3"], 4, "epsilon = 3.0"),
        (["--data", "/nowhere"], 3, "/nowhere"),
        (["--dataset", "sinthetic"], 2, "did you mean 'synthetic'?"),
        (["--dataset", "drawn", "--attacks", "pdg"], 4, "did you mean 'pgd'?"),
        (["--faces", "1"], 2, "--faces"),
        (["--generator", "mine.safetensors"], 2, "name one with --tasks"),
        (["--codecs", "23"], 2, "no such option"),
        (["--count", "adaptive_step=3"], 4, "did you mean 'adaptive_steps'?"),
        (["--skip", "baseline"], 4, "did you mean 'baselines'?"),
        (["--device", "gpu"], 4, "allowed: auto, cpu, cuda"),
    ],
)
def test_bad_input_has_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, word: str
) -> None:
    assert code_of(["detection", "--out", str(tmp_path / "out"), *flags]) == code
    assert word in capsys.readouterr().err


@pytest.mark.parametrize(("text", "code"), [("a", 2), ("99", 4)])
def test_codecs_are_rate_factors(tmp_path: Path, text: str, code: int) -> None:
    flags = ["--out", str(tmp_path), "--dataset", "drawn", "--codecs", text]
    assert code_of(["reconstruction", *flags]) == code


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert code_of(["detection", "--dataset", "drawn", "--out", str(blocked)]) == 7


def test_a_page_without_documents_is_refused(tmp_path: Path) -> None:
    assert code_of(["page", str(tmp_path / "page.md"), "--out", str(tmp_path)]) == 3


def test_the_help_names_every_benchmark(capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("detection", "reconstruction"))


@pytest.mark.parametrize("more", [["b.mp4"], ["--variants", "1080p"]])
def test_a_clean_clip_belongs_to_one_clip(
    more: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(["speed", "a.mp4", *more, "--clean", "c.mp4"]) == 2
    assert "--clean" in capsys.readouterr().err


def test_a_document_that_could_not_be_written_is_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(["speed", "a.mp4", "--json", str(tmp_path / "none" / "a.json")]) == 7
    assert "no such folder" in capsys.readouterr().err


def test_a_variant_that_is_none_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    assert code_of(["speed", "--variants", "8k", "--out", str(tmp_path)]) == 2


def test_all_baselines_are_left_out_by_one_word_and_one_by_its_own() -> None:
    def skipped(text: str) -> tuple[str, ...]:
        asked = {"out": Path("out"), "data": Path(), "dataset": "drawn", "tasks": "edit"}
        others = dict.fromkeys(("faces", "seed", "epsilon", "baseline_training", "generator"))
        rest = {"count": [], "overrides": [], "quick": False, "device": "cpu"}
        return plan_of(**asked, **others, **rest, skip=text).skipped  # type: ignore[arg-type]

    assert set(skipped("baselines")) == {*DETECTORS, *RECONSTRUCTORS}
    assert skipped("otd, me-net") == ("otd", "me-net")


@pytest.mark.parametrize(
    ("flags", "code", "word"),
    [
        (["a.mp4", "b.mp4", "--tasks", "edit"], 2, "not 2 and 1"),
        (["a.mp4"], 2, "not 1 and 3"),
        (["a.mp4", "--tasks", "edit"], 3, "none.mkv"),
    ],
)
def test_a_protected_version_belongs_to_one_clip_and_one_task(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], code: int, word: str
) -> None:
    given = str(tmp_path / "none.mkv")
    assert code_of(["clips", *flags, "--protected", given, "--out", str(tmp_path)]) == code
    assert word in capsys.readouterr().err


def test_a_protected_version_of_another_size_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=3))
    make_clip(tmp_path / "b.mp4", ClipPlan(frames=3, width=32))
    monkeypatch.setattr(clip_cells, "subjects", lambda plan: pytest.fail("loaded"))
    flags = ["--tasks", "edit", "--protected", str(tmp_path / "b.mp4"), "--out", str(tmp_path)]
    assert code_of(["clips", str(tmp_path / "a.mp4"), *flags]) == 3
    assert "frames of 32x48" in capsys.readouterr().err


@pytest.mark.parametrize(("frames", "code"), [("2", 2), ("-1", 2), ("0", 3), ("3", 3)])
def test_a_clip_is_measured_whole_or_in_enough_frames_to_average(
    tmp_path: Path, frames: str, code: int
) -> None:
    assert code_of(["clips", "none.mp4", "--frames", frames, "--out", str(tmp_path)]) == code


@pytest.mark.parametrize(
    ("flags", "versions", "runs"),
    [([], True, False), (["--runs"], True, True), (["--runs-only"], False, True)],
)
def test_whole_runs_stand_beside_the_rows_of_repairs_or_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    versions: bool,
    runs: bool,
) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=3))
    plans = []

    def measured(plan: ClipBenchmark, out: Path, say: object) -> dict[str, list[object]]:
        plans.append(plan)
        return {"rows": []}

    monkeypatch.setattr(clip_bench, "run_clips", measured)
    assert code_of(["clips", str(tmp_path / "a.mp4"), "--out", str(tmp_path), *flags]) == 0
    assert [(plan.versions, plan.runs) for plan in plans] == [(versions, runs)]
