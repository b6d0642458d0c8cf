"""Runs that are stopped, killed and resumed: the frames are those of a run that was left alone."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from magdr_video import runs
from magdr_video.errors import Interrupted
from magdr_video.types import FrameBatch
from magdr_video.video.journal import journal_path
from magdr_video.video.placement import partial_path
from tests.delivery.films import (
    FLAGS,
    assert_same_film,
    files,
    packets,
    quick,
    shown,
    stopping_after,
)
from tests.forked import finish, fork, program
from tests.standins import without_networks


def test_the_first_signal_leaves_a_film_to_watch_and_a_journal(
    source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    tick, stop = stopping_after(25)
    with pytest.raises(Interrupted) as caught:
        runs.translate_clip(source, tmp_path / "b.mp4", quick(), tick=tick, stop=stop)
    assert caught.value.exit_code == 130
    assert "--resume" in caught.value.hint
    assert caught.value.run.frames_out == 32
    assert files(tmp_path) == [".b.mp4.journal", "a.mp4", "b.partial.mp4", "whole.mp4"]
    times, lumas = shown(partial_path(tmp_path / "b.mp4"))
    whole_times, whole_lumas = shown(undisturbed)
    assert times == whole_times[:32]
    np.testing.assert_array_equal(lumas, whole_lumas[:32])
    last = times[-1] / 90000
    heard = packets(partial_path(tmp_path / "b.mp4"))[1]
    assert last - 0.1 < max(t for t, _ in heard if t is not None) / 48000 < last + 0.2


@pytest.mark.parametrize("after", [1, 16, 46, 92])
def test_a_resumed_run_gives_the_film_of_an_undisturbed_one(
    after: int, source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    target = tmp_path / "b.mp4"
    tick, stop = stopping_after(after)
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)
    seen: list[int] = []
    document = runs.translate_clip(
        source, target, quick(), resume=True, tick=lambda frames, _: seen.append(frames)
    )
    assert_same_film(target, undisturbed)
    assert min(seen, default=100) > (after + 15) // 16 * 16, "finished segments were made again"
    assert document["run"]["frames_in"] == document["run"]["frames_out"] == 100
    assert any("resumed at frame" in note for note in document["run"]["notes"])
    assert files(tmp_path) == ["a.mp4", "b.mp4", "b.mp4.magdr.json", "whole.mp4"]


@pytest.mark.parametrize("segment", [20, 16])
def test_a_stop_in_the_last_segment_leaves_the_whole_film(
    segment: int, source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    settings = quick()
    settings = replace(settings, output=replace(settings.output, segment=segment))
    tick, stop = stopping_after(97)
    document = runs.translate_clip(source, tmp_path / "b.mp4", settings, tick=tick, stop=stop)
    assert document["run"]["frames_out"] == 100
    assert shown(tmp_path / "b.mp4")[0] == shown(undisturbed)[0]
    assert not [name for name in files(tmp_path) if "journal" in name or "partial" in name]


def struck(number: int, seed: int) -> Callable[[FrameBatch], None]:
    """Signals the process itself, some milliseconds after it has begun some batch."""
    draw = random.Random(1000 * number + seed)
    batch_of_doom, moment = draw.randrange(0, 100, 4), 0.03 * draw.random()

    def work(batch: FrameBatch) -> None:
        if batch.first_index == batch_of_doom:
            threading.Timer(moment, os.kill, (os.getpid(), number)).start()
        time.sleep(0.002)

    return work


MOMENTS = [pytest.param(seed, marks=[pytest.mark.slow] if seed else []) for seed in range(10)]


@pytest.mark.parametrize("seed", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whenever_the_program_is_stopped_it_can_go_on(
    number: int, seed: int, source: Path, undisturbed: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    target = tmp_path / "b.mp4"
    arguments = ("defend", source, "-o", target, *FLAGS, "--encoder-preset", "ultrafast")
    with monkeypatch.context() as patch:
        without_networks(patch, struck(number, seed))
        code, _, _ = finish(program(*arguments))
    assert code in ({0, -9} if number == signal.SIGKILL else {0, 128 + number})
    assert target.exists() == (code == 0), "half a film has the final name"
    code, _, words = finish(program(*arguments, "--resume", "-y"))
    assert code == 0, words
    assert_same_film(target, undisturbed)
    assert not journal_path(target).exists() and not partial_path(target).exists()


def test_a_second_signal_stops_at_once(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch, lambda batch: time.sleep(0.3))
    arguments = ("defend", source, "-o", tmp_path / "b.mp4", *FLAGS, "--set", "output.segment=4000")
    with fork(program(*arguments)) as child:
        while not journal_path(tmp_path / "b.mp4").exists():
            time.sleep(0.01)
        child.send(signal.SIGTERM)
        assert b"again stops now" in child.words.read(200)
        child.send(signal.SIGTERM)
        assert child.wait() == 143
    assert files(tmp_path) == ["a.mp4"]


def test_a_resumed_run_that_is_stopped_on_the_spot_says_that_its_work_is_kept(
    source: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "b.mp4"
    tick, stop = stopping_after(20)
    with pytest.raises(Interrupted):
        runs.translate_clip(source, target, quick(), tick=tick, stop=stop)
    without_networks(monkeypatch, lambda batch: time.sleep(0.3))
    arguments = ("defend", source, "-o", target, *FLAGS, "--encoder-preset", "ultrafast")
    with fork(program(*arguments, "--resume")) as child:
        while not list(journal_path(target).glob("*.part")):
            time.sleep(0.01)
        child.send(signal.SIGINT)
        assert b"again stops now" in child.words.read(200)
        child.send(signal.SIGINT)
        words = child.words.read().decode()
        assert len(words.split("\n")) == 3, words
        line, hint, _ = words.split("\n")
        assert child.wait() == 130
    assert line == "magdr-video: stopped by a signal; nothing half-written is left"
    assert "--resume goes on" in hint
    monkeypatch.undo()
    without_networks(monkeypatch)
    runs.translate_clip(source, target, quick(), resume=True)
    assert_same_film(target, undisturbed)


def test_an_interrupted_run_has_its_report(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def strike(batch: FrameBatch) -> None:
        if batch.first_index < 8:
            os.kill(os.getpid(), signal.SIGINT)

    without_networks(monkeypatch, strike)
    report = tmp_path / "r.json"
    code, _, words = finish(
        program("defend", source, "-o", tmp_path / "b.mp4", *FLAGS[:-1], "--report", report)
    )
    # The second batch sends the second signal, in the middle of the first segment.
    assert code == 130, words
    assert json.loads(report.read_text("utf-8"))["exit_code"] == 130
