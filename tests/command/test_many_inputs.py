"""Directories, lists and archives on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from magdr_video import runs as runs_module
from magdr_video.command.inputs import expand
from tests.command.outcome import Run, assert_error, assert_nothing_new


def test_two_inputs_with_one_output_file_are_2(run: Run, clip: Path, tmp_path: Path) -> None:
    other = clip.with_name("other.mp4")
    assert_error(run("defend", clip, other, "-o", tmp_path / "out.mp4"), 2, "cannot all become")


def test_two_inputs_that_would_become_one_file_are_2(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    # AVI carries no exact times, so that clip.avi, too, would become clip_defended.mp4.
    other = clip.with_suffix(".avi")
    other.write_bytes(clip.read_bytes())
    assert_error(run("defend", clip, other, "-y"), 2, "would both become")
    assert translated == []


def test_some_of_several_failed_is_9_and_the_others_are_done(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    text = tmp_path / "a.mp4"
    text.write_text("no film")
    outcome = run("defend", text, clip, "--json", "-q")
    assert outcome.code == 9
    assert "1 of 2 inputs failed" in outcome.err
    assert translated == [clip]
    assert (tmp_path / "clip_defended.mp4").exists()
    made = json.loads(outcome.out)["runs"]
    assert [one["exit_code"] for one in made] == [3, 0]


def test_several_that_fail_alike_keep_their_code(run: Run, tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_text("no film")
    assert run("defend", tmp_path).code == 3


def test_a_directory_means_its_videos_without_our_own_outputs(tmp_path: Path) -> None:
    for name in ("b.MP4", "a.mkv", "a_defended.mkv", "c.txt", ".a.mkv.part"):
        (tmp_path / name).touch()
    assert [source.path.name for source in expand([tmp_path])] == ["a.mkv", "b.MP4"]


def test_a_directory_and_an_archive_rerun_does_what_is_left(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    films = tmp_path / "films"
    films.mkdir()
    for name in ("a.mp4", "bad.mp4", "c.mp4"):
        (films / name).write_bytes(clip.read_bytes())
    words = ("defend", films, "-o", tmp_path / "made" / "here", "--archive", tmp_path / "done")
    assert run(*words, "-q").code == 9
    assert [path.name for path in translated] == ["a.mp4", "bad.mp4", "c.mp4"]
    assert len((tmp_path / "done").read_text().splitlines()) == 2
    translated.clear()
    (films / "d.mp4").write_bytes(clip.read_bytes())
    outcome = run(*words, "--json")
    assert [path.name for path in translated] == ["bad.mp4", "d.mp4"]
    made = json.loads(outcome.out)
    assert [Path(one["input"]).name for one in made["skipped"]] == ["a.mp4", "c.mp4"]
    assert "done before" in made["skipped"][0]["reason"]
    assert (made["done"], made["failed"], made["exit_code"], outcome.code) == (1, 1, 9, 9)
    assert (tmp_path / "made" / "here" / "d_defended.mp4").exists()


def test_recursion_keeps_the_folders(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    deep = tmp_path / "films" / "x" / "y"
    deep.mkdir(parents=True)
    (deep / "a.mp4").write_bytes(clip.read_bytes())
    assert run("defend", tmp_path / "films", "-r", "-o", tmp_path / "made", "-q").code == 0
    assert (tmp_path / "made" / "x" / "y" / "a_defended.mp4").exists()


def test_fail_fast_stops_at_the_first_failure(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_text("no film")
    outcome = run("defend", tmp_path, "--fail-fast", "-q", "--json")
    assert translated == []
    assert json.loads(outcome.out)["left"] == [str(clip)]
    assert outcome.code == 3


def test_a_dry_run_of_many_makes_no_folder_and_ends_as_the_run_would(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Nothing:
        device, weights = torch.device("cpu"), ("none",)

    monkeypatch.setattr(runs_module, "load_models", lambda settings: Nothing())
    (tmp_path / "a.mp4").write_text("no film")
    outcome = run("defend", tmp_path, "--dry-run", "-o", tmp_path / "made")
    assert outcome.code == 9
    assert "clip_defended.mp4" in outcome.out
    assert_nothing_new(tmp_path, clip, tmp_path / "a.mp4")


def test_json_progress_is_one_object_a_line(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_text("no film")
    outcome = run("defend", tmp_path, "--progress", "json")
    events = [json.loads(line) for line in outcome.err.splitlines() if line.startswith("{")]
    # What is left is the error that the program ends with.
    assert len(events) == len(outcome.err.splitlines()) - 1
    ends = [(one["file"], one["files"], one["exit_code"]) for one in events if "exit_code" in one]
    assert ends == [(1, 2, 3), (2, 2, 0)]
    begun = next(one for one in events if one["event"] == "begin")
    assert (begun["input"], begun["total_seconds"]) == ("clip.mp4", pytest.approx(0.12, abs=0.01))
    assert any(one["event"] == "note" and "2 of 3 faces" in one["text"] for one in events)


def test_a_comparison_film_is_asked_for_with_a_file_or_a_directory(
    run: Run, clip: Path, translated: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    films: list[Path] = []

    def film(source: Path, target: Path, path: Path, *_: Any, **__: Any) -> None:
        films.append(path)
        path.write_bytes(b"film")

    monkeypatch.setattr("magdr_video.comparison.write_comparison", film)
    path = tmp_path / "film.mp4"
    outcome = run("defend", clip, "--compare", path)
    assert (outcome.code, films) == (0, [path])
    assert f"comparison film: {path}" in outcome.err
    (tmp_path / "clip_defended.mp4").unlink()
    assert_error(run("defend", clip, "--compare", path), 7, "film.mp4 exists")
    other = clip.with_name("other.mp4")
    other.write_bytes(clip.read_bytes())
    assert run("defend", clip, other, "--compare", path).code == 2
    assert run("defend", clip, other, "-q", "--compare", tmp_path / "films").code == 0
    assert [p.name for p in films[1:]] == ["clip_compared.mp4", "other_compared.mp4"]
    for words in (("--undefended",), ("-o", "-")):
        assert run("defend", clip, "--compare", path, *words).code == 2
    assert run("detect", "-", "--sample", "3").code == 2


def test_progress_counts_the_part_that_is_asked_for(
    run: Run, clip: Path, translated: list[Path]
) -> None:
    for part, seconds in (("2f", 0.08), ("0.04", 0.04), ("100", 0.12)):
        outcome = run("defend", clip, "-y", "--end", part, "--progress", "json")
        begun = json.loads(outcome.err.splitlines()[0])
        assert begun["total_seconds"] == pytest.approx(seconds, abs=0.001)
