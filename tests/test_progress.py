"""Progress of one clip and of several, for people and for programs."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest

from magdr_video import progress as progress_module
from magdr_video.progress import MODES, print_table, progress


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_bears_a_batch_and_writes_nothing_to_stdout(
    mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress(mode, ["a [x].mp4", "b.mp4", "c.mp4"]) as board:
        board.begin(1, 2.0)
        board.begin(0, None)
        board.tick(1, 25, Fraction(1))
        board.tick(0, 3, Fraction(1, 3))
        board.finish(1, 0, "")
        board.finish(2, 3, "is no film")
        board.say("a word")
    out, err = capsys.readouterr()
    assert out == ""
    assert "a word" in err


def test_json_tells_place_time_and_rate(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("json", ["a.mp4", "b\n.mp4"]) as board:
        board.begin(1, 2.0)
        board.tick(1, 25, Fraction(3, 2))
    begin, tick = map(json.loads, capsys.readouterr().err.splitlines())
    assert begin == {
        "event": "begin", "input": "b\n.mp4", "file": 2, "files": 2, "total_seconds": 2.0,
    }  # fmt: skip
    assert (tick["frames"], tick["seconds"], tick["total_seconds"]) == (25, 1.5, 2.0)
    assert tick["frames_per_second"] > 0


def test_lines_are_sparse_and_say_which_of_how_many(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    with progress("auto", ["a.mp4", "b.mp4"]) as board:
        board.begin(1, 100.0)
        for step in range(1, 13):
            now = float(step)
            board.tick(1, 10 * step, Fraction(step))
    assert capsys.readouterr().err.splitlines() == [
        "[2/2] b.mp4: 50 frames, 5.0 s of film, 10.0 a second",
        "[2/2] b.mp4: 100 frames, 10.0 s of film, 10.0 a second",
    ]


def test_quiet_says_nothing_in_any_mode(capsys: pytest.CaptureFixture[str]) -> None:
    for mode in MODES:
        with progress(mode, ["a.mp4"], quiet=True) as board:
            board.begin(0, 1.0)
            board.tick(0, 1, Fraction(1))
            board.say("a word")
    assert capsys.readouterr() == ("", "")


def test_the_rate_counts_neither_loading_nor_what_was_done_before(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: now)
    with progress("json", ["a.mp4"]) as board:
        board.begin(0, 100.0)
        now = 20.0
        board.tick(0, 1016, Fraction(40))
        now = 22.0
        board.tick(0, 1032, Fraction(41))
    last = json.loads(capsys.readouterr().err.splitlines()[-1])
    assert last["frames_per_second"] == 8.0


def test_a_long_path_in_a_table_is_one_word_for_whoever_reads_a_file_or_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = "/" + "/".join(["a folder"] * 60) + "/a.mp4"
    print_table(path, ("what", "value"), [["input", path]])
    title, *table = capsys.readouterr().out.splitlines()
    assert title == path
    assert any(path in line for line in table)


def test_names_are_no_markup_in_tables(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("[bold]x", ("what",), [["[red]y[/red]"]])
    out = capsys.readouterr().out
    assert "[bold]x" in out
    assert "[red]y[/red]" in out
