"""Films in segments and their journal: what it holds, what it refuses, what is left of it."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magdr_video import runs
from magdr_video.errors import Interrupted, OutputError, SettingsError
from magdr_video.types import FrameBatch
from magdr_video.video import journal
from magdr_video.video.journal import Journal, holds_work, journal_path
from magdr_video.video.reader import ClipReader
from tests.delivery.films import (
    FLAGS,
    assert_same_film,
    files,
    packets,
    quick,
    shown,
    stopping_after,
)
from tests.forked import finish, program
from tests.standins import without_networks


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".ts"])
def test_segments_and_one_piece_are_the_same_film(
    suffix: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    settings = quick(crf=0)
    runs.translate_clip(source, tmp_path / f"b{suffix}", settings)
    at_once = replace(settings, output=replace(settings.output, segment=0))
    runs.translate_clip(source, tmp_path / f"c{suffix}", at_once)
    (times, lumas), (their_times, their_lumas) = (
        shown(tmp_path / f"b{suffix}"),
        shown(tmp_path / f"c{suffix}"),
    )
    assert np.ptp(np.array(times) - their_times) == 0
    np.testing.assert_array_equal(lumas, their_lumas)
    ours, theirs = packets(tmp_path / f"b{suffix}"), packets(tmp_path / f"c{suffix}")
    assert [[h for _, h in ours[s]] for s in (1, 2)] == [[h for _, h in theirs[s]] for s in (1, 2)]
    with ClipReader(tmp_path / f"b{suffix}") as mine, ClipReader(tmp_path / f"c{suffix}") as other:
        assert replace(mine.info, path=Path(), duration=None) == replace(
            other.info, path=Path(), duration=None
        )
        assert mine.info.duration is not None and other.info.duration is not None
        assert abs(mine.info.duration - other.info.duration) < Fraction(1, 1000)


def test_a_run_that_ends_well_leaves_the_film_and_its_record(
    undisturbed: Path, tmp_path: Path
) -> None:
    assert files(tmp_path) == ["a.mp4", "whole.mp4"]


def test_work_is_not_thrown_away_unasked(source: Path, undisturbed: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    tick, stop = stopping_after(20)
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)
    code, _, words = finish(program("defend", source, "-o", target, *FLAGS))
    assert code == 7
    assert "--resume" in words and holds_work(target)
    code, _, words = finish(
        program("defend", source, "-o", target, *FLAGS, "--encoder-preset", "ultrafast", "-y")
    )
    assert code == 0, words
    assert_same_film(target, undisturbed)


@pytest.mark.parametrize("change", ["settings", "input"])
def test_another_run_is_not_resumed(
    change: str, source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    target = tmp_path / "b.mp4"
    tick, stop = stopping_after(20)
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)
    settings = quick(crf=30) if change == "settings" else quick()
    if change == "input":
        os.utime(source, (1, 1))
    with pytest.raises(SettingsError, match="crf" if change == "settings" else "input") as caught:
        runs.translate_clip(source, target, settings, resume=True)
    assert "-y" in caught.value.hint
    assert holds_work(target)


def test_a_damaged_segment_is_noticed(source: Path, undisturbed: Path, tmp_path: Path) -> None:
    target = tmp_path / "b.mp4"
    tick, stop = stopping_after(40)
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)
    segment = journal_path(target) / "0000016.nut"
    segment.write_bytes(segment.read_bytes()[:-1])
    with pytest.raises(OutputError, match=r"0000016\.nut"):
        runs.translate_clip(source, target, quick(), resume=True)


def test_half_a_line_of_the_journal_does_not_count(
    source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    target = tmp_path / "b.mp4"
    tick, stop = stopping_after(40)
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)
    lines = journal_path(target) / "segments.jsonl"
    with lines.open("a") as held:
        held.write('{"name": "00000')
    (journal_path(target) / "0000048.nut").write_bytes(b"half a segment")
    runs.translate_clip(source, target, quick(), resume=True)
    assert_same_film(target, undisturbed)


def test_a_disk_that_fills_up_is_one_error_and_the_work_stays(
    source: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b.mp4"
    append = Journal.append

    def full(journal: Journal, *given: Any) -> None:
        if journal.end >= 48:
            raise OutputError("no space left", hint="free some space") from OSError(errno.ENOSPC)
        append(journal, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        with pytest.raises(OutputError, match="space") as caught:
            runs.translate_clip(source, target, quick())
    assert "--resume goes on from frame 48" in caught.value.hint
    assert files(tmp_path) == [".b.mp4.journal", "a.mp4", "whole.mp4"]
    runs.translate_clip(source, target, quick(), resume=True)
    assert_same_film(target, undisturbed)


def test_a_folder_that_vanishes_in_the_middle_is_one_clear_error(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()

    def vanish(batch: FrameBatch) -> None:
        if batch.first_index == 40:
            shutil.rmtree(folder)

    without_networks(monkeypatch, vanish)
    code, _, words = finish(program("defend", source, "-o", folder / "b.mp4", *FLAGS))
    assert code == 7, words
    assert words.splitlines()[0].startswith("magdr-video: cannot write ")
    assert "Traceback" not in words
    assert files(tmp_path) == ["a.mp4"]


def test_a_run_that_fails_in_its_first_segment_leaves_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(batch: FrameBatch) -> None:
        raise OutputError("no space left")

    without_networks(monkeypatch, fails)
    with pytest.raises(OutputError):
        runs.translate_clip(source, tmp_path / "b.mp4", quick())
    assert files(tmp_path) == ["a.mp4"]


def test_two_runs_of_one_target_do_not_mix(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "b.mp4", {}, resume=False),
        pytest.raises(OutputError, match="another run"),
        Journal(tmp_path / "b.mp4", {}, resume=False),
    ):
        pass


def test_a_dry_run_tells_encoder_and_streams_and_writes_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    arguments = ("defend", source, "-o", tmp_path / "b.ts", *FLAGS, "--dry-run")
    code, out, words = finish(program(*arguments))
    assert code == 0, words
    plan = out.decode()
    assert "libx264" in plan
    assert plan.count(", copied") == 2, plan
    assert "dropped: a chapter track" in plan
    assert files(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("flags", [("--vcodec", "libx265x"), ("--vcodec", "libvpx")])
def test_a_dry_run_ends_as_the_run_would_for_an_encoder_that_does_not_fit(
    flags: tuple[str, ...], source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    arguments = ("defend", source, "-o", tmp_path / "b.mp4", *FLAGS, *flags)
    codes = {finish(program(*arguments, *dry))[0] for dry in ((), ("--dry-run",))}
    assert codes == {4}
    assert files(tmp_path) == ["a.mp4"]


def test_a_run_that_is_stopped_while_it_opens_its_journal_leaves_the_work_in_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    tick, stop = stopping_after(20)
    target = tmp_path / "b.mp4"
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)

    def struck(path: Path, data: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_write_lasting", struck)
        with pytest.raises(KeyboardInterrupt):
            runs.translate_clip(source, target, quick(), resume=True)
    assert holds_work(target)
    document = runs.translate_clip(source, target, quick(), resume=True)
    assert any("resumed at frame" in note for note in document["run"]["notes"])
