"""The command line as a user meets it: one clear line and the documented code for each mistake.

No run here needs weights or a face: each ends before, at, or because of what is tested.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from magdr_video import runs as runs_module
from magdr_video.errors import Interrupted
from tests.clips import ClipPlan, make_clip
from tests.command.outcome import Run, assert_error, assert_nothing_new


def test_a_missing_file_is_3(run: Run, tmp_path: Path) -> None:
    for command in ("defend", "detect"):
        assert_error(run(command, tmp_path / "none.mp4"), 3, "does not exist")


def test_a_directory_without_videos_is_3(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    outcome = run("defend", tmp_path)
    assert_error(outcome, 3, "holds no videos")
    assert ".mp4" in outcome.err


@pytest.mark.parametrize("command", ["defend", "detect", "info"])
def test_a_text_file_called_mp4_is_3(run: Run, tmp_path: Path, command: str) -> None:
    path = tmp_path / "text.mp4"
    path.write_text("this is no film\n" * 100)
    assert_error(run(command, path), 3, "text.mp4")
    assert_nothing_new(tmp_path, path)


def test_an_empty_file_is_3(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    assert_error(run("defend", path), 3, "empty")


def test_an_unknown_task_is_4_and_names_the_nearest(run: Run, clip: Path) -> None:
    outcome = run("defend", clip, "--task", "reanact")
    assert_error(outcome, 4, "reanact")
    assert "did you mean 'reenact'?" in outcome.err


def test_an_unknown_key_is_4_and_names_the_nearest(run: Run, clip: Path) -> None:
    outcome = run("defend", clip, "--set", "faces.perod=2")
    assert_error(outcome, 4, "faces.perod")
    assert "did you mean 'faces.period'?" in outcome.err


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_picture_of_a_face_that_is_missing_is_3_and_no_face_at_all_is_4(
    run: Run, clip: Path, dry: tuple[str, ...]
) -> None:
    assert_error(run("defend", clip, "--face", "none.jpg", *dry), 3, "none.jpg does not exist")
    for wrong in ("second", "index:", "index:²"):
        assert_error(run("defend", clip, "--face", wrong, *dry), 4, "names no face")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--crf", "64"),
        ("--set", "faces.period=0"),
        ("--hdr", "maybe"),
        ("--provenance", "some"),
        ("--preset", "none.toml"),
        ("-e", "tune"),
        ("--device", "gpu"),
        ("--device", "cuda:²"),
    ],
)
def test_a_wrong_value_is_4(run: Run, clip: Path, arguments: tuple[str, ...]) -> None:
    assert_error(run("defend", clip, *arguments), 4, "")
    assert_nothing_new(clip.parent, clip)


def test_a_wrong_progress_mode_is_2(run: Run, clip: Path) -> None:
    outcome = run("detect", clip, "--progress", "bars")
    assert_error(outcome, 2, "bars")
    assert "did you mean 'bar'?" in outcome.err


def test_yes_and_no_together_are_2(run: Run, clip: Path) -> None:
    assert_error(run("defend", clip, "-y", "-n"), 2, "contradict")


@pytest.mark.parametrize("arguments", [("defend",), ("defend", "a.mp4", "--no-such"), ("nothing",)])
def test_flags_and_commands_that_do_not_exist_are_2(run: Run, arguments: tuple[str, ...]) -> None:
    assert_error(run(*arguments), 2, "")


def test_a_name_that_looks_like_a_flag_says_how_to_write_it(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    clip.rename("-clip.mp4")
    outcome = run("defend", "-clip.mp4")
    assert_error(outcome, 2, "no such option")
    assert "./-clip.mp4" in outcome.err


def test_a_program_without_words_shows_its_help(run: Run) -> None:
    outcome = run()
    assert outcome.code in (0, 2)
    assert "defend" in outcome.out and outcome.err == ""


@pytest.mark.parametrize("command", ["defend", "detect"])
@pytest.mark.parametrize("report", ["nowhere/r.json", "."])
def test_a_report_that_could_not_be_written_is_refused_before_any_work(
    run: Run, clip: Path, translated: list[Path], command: str, report: str
) -> None:
    assert_error(run(command, clip, "--report", clip.parent / report), 7, "--report")
    assert translated == []


def test_an_archive_without_a_folder_is_refused_before_any_work(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    archive = clip.parent / "nowhere" / "done"
    assert_error(run("defend", clip, "--archive", archive), 7, "no such folder")
    assert translated == []


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_driving_clip_is_looked_at_before_any_model_is_loaded(
    run: Run, clip: Path, translated: list[Path], dry: tuple[str, ...]
) -> None:
    missing = clip.with_name("none.mp4")
    assert_error(run("defend", clip, "--driving", missing, *dry), 3, "none.mp4 does not exist")
    assert_error(run("defend", clip, "-t", "edit", "--driving", clip, *dry), 4, "steers reenact")
    assert translated == []


@pytest.mark.parametrize("command", ["defend", "detect", "protect"])
def test_a_condition_that_the_task_would_not_heed_is_4(
    run: Run, clip: Path, translated: list[Path], command: str
) -> None:
    outcome = run(command, clip, "--task", "edit", "--expression", "happy")
    assert_error(outcome, 4, "--expression steers reenact, the task is edit")
    outcome = run(command, clip, "--task", "replace", "--attributes", "Black_Hair")
    assert_error(outcome, 4, "--attributes steers edit, the task is replace")
    assert "add --task edit" in outcome.err
    assert translated == []


def test_one_name_for_the_result_and_its_comparison_is_2(run: Run, clip: Path) -> None:
    target = clip.with_name("b.mp4")
    outcome = run("defend", clip, "-o", target, "--compare", target)
    assert_error(outcome, 2, "-o and --compare would both write")


def test_an_output_that_exists_is_7_and_stays(run: Run, clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"precious")
    outcome = run("defend", clip, "-o", target)
    assert_error(outcome, 7, "exists")
    assert "-y" in outcome.err
    assert target.read_bytes() == b"precious"


def test_an_output_that_is_the_input_is_7_even_with_yes(run: Run, clip: Path) -> None:
    before = clip.read_bytes()
    assert_error(run("defend", clip, "-o", clip, "-y"), 7, "is the input")
    assert clip.read_bytes() == before


def test_a_named_pipe_is_not_replaced_by_a_film(run: Run, clip: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out.mp4")
    outcome = run("defend", clip, "-o", tmp_path / "out.mp4", "-y")
    assert_error(outcome, 7, "is a device or a pipe")
    assert "-o -" in outcome.err
    assert (tmp_path / "out.mp4").is_fifo()


def test_a_folder_that_does_not_exist_is_7(run: Run, clip: Path, tmp_path: Path) -> None:
    assert_error(run("defend", clip, "-o", tmp_path / "none" / "out.mp4"), 7, "none")


def test_missing_weights_are_5(run: Run, clip: Path) -> None:
    outcome = run("defend", clip, "--set", "model.generator=nope")
    assert_error(outcome, 5, "nope")
    assert_nothing_new(clip.parent, clip)


def test_weights_that_are_no_weights_are_5(run: Run, clip: Path, tmp_path: Path) -> None:
    fake = tmp_path / "fake.safetensors"
    fake.write_bytes(b"\x00" * 100)
    outcome = run("defend", clip, "--set", f"model.generator={fake}")
    assert_error(outcome, 5, "fake")
    assert_nothing_new(tmp_path, clip, fake)


def test_cuda_without_cuda_is_6(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = run("defend", clip, "--device", "cuda")
    assert_error(outcome, 6, "cuda")
    assert "auto" in outcome.err


def test_required_provenance_is_8(run: Run, clip: Path) -> None:
    assert_error(run("defend", clip, "--provenance", "require"), 8, "C2PA")
    assert_nothing_new(clip.parent, clip)


def test_a_stage_that_fails_is_1(run: Run, tmp_path: Path, translated: list[Path]) -> None:
    path = tmp_path / "bad.mp4"
    make_clip(path, ClipPlan(frames=2))
    assert_error(run("defend", path, "--strict"), 1, "the stage failed")


@pytest.mark.parametrize(("number", "code"), [(2, 130), (15, 143)])
def test_a_signal_gives_its_own_code(
    run: Run,
    clip: Path,
    translated: list[Path],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    code: int,
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        raise Interrupted("stopped by a signal", signal_number=number)

    monkeypatch.setattr(runs_module, "translate_clip", stopped)
    # Two inputs: a signal ends the batch, it is not one failure of several.
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes())
    outcome = run("defend", clip, other)
    assert outcome.code == code
    assert len(outcome.error_lines) == 1


def test_no_skips_what_exists(run: Run, clip: Path, translated: list[Path]) -> None:
    target = clip.with_name("clip_defended.mp4")
    target.write_bytes(b"precious")
    outcome = run("defend", clip, "-n")
    assert outcome.code == 0
    assert "skipped" in outcome.err
    assert translated == []
    assert target.read_bytes() == b"precious"


def test_yes_overwrites_what_exists(run: Run, clip: Path, translated: list[Path]) -> None:
    target = clip.with_name("clip_defended.mp4")
    target.write_bytes(b"old")
    assert run("defend", clip, "-y").code == 0
    assert target.read_bytes() == b"film"
