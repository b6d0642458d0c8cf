"""Runs that are stopped, killed and resumed: the frames are those of a run that was left alone."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magdr_video import runs
from magdr_video.errors import Interrupted, OutputError, SettingsError
from magdr_video.settings import Settings, load_settings
from magdr_video.types import FrameBatch
from magdr_video.video.journal import Journal, holds_work, journal_path
from magdr_video.video.placement import partial_path
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, Sound, make_clip, vfr_times
from tests.forked import finish, fork, program
from tests.standins import without_networks

RICH = ClipPlan(
    frames=100,
    pts=vfr_times(100, start=1234),
    sounds=[Sound(seconds=4), Sound(seconds=4, start=Fraction(3, 10), language="deu")],
    chapters=True,
)


def quick(**output: Any) -> Settings:
    """Settings for small clips: batches of 4 frames, segments of 16."""
    held = load_settings(task="edit", overrides=["run.batch=4", "output.segment=16"])
    wanted = {"preset": "ultrafast"} | output
    return replace(held, output=replace(held.output, **wanted))


FLAGS = ("--task", "edit", "--set", "run.batch=4", "--set", "output.segment=16", "-q")


def shown(path: Path) -> tuple[list[int], list[np.ndarray]]:
    """Times and luma of every frame."""
    with ClipReader(path) as reader:
        batches = list(reader)
    return (
        [int(t) for b in batches for t in b.pts],
        [luma for b in batches for luma in b.planes[0]],
    )


def assert_same_film(ours: Path, theirs: Path) -> None:
    """Times, pictures and sound, bit by bit."""
    (times, lumas), (their_times, their_lumas) = shown(ours), shown(theirs)
    assert times == their_times
    np.testing.assert_array_equal(lumas, their_lumas)
    assert packets(ours) == packets(theirs)


def packets(path: Path) -> dict[int, list[tuple[int | None, int]]]:
    """(time, hash) of every packet by stream."""
    import av

    with av.open(str(path)) as container:
        found: dict[int, list[tuple[int | None, int]]] = {}
        for packet in container.demux():
            if packet.size:
                found.setdefault(packet.stream_index, []).append((packet.pts, hash(bytes(packet))))
        return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_clip(tmp_path / "a.mp4", RICH)
    return tmp_path / "a.mp4"


@pytest.fixture
def undisturbed(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The film of a run that was left alone."""
    without_networks(monkeypatch)
    runs.translate_clip(source, tmp_path / "whole.mp4", quick())
    (tmp_path / "whole.mp4.magdr.json").unlink()
    return tmp_path / "whole.mp4"


def stopping_after(frames: int) -> tuple[Callable[..., None], Callable[[], int]]:
    """A tick and a stop: the run is asked to end once so many frames are out."""
    done = [0]

    def tick(count: int, _: Fraction) -> None:
        done[0] = count

    return tick, lambda: signal.SIGINT if done[0] >= frames else 0


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
        line, hint, _ = child.words.read().decode().split("\n")
        assert child.wait() == 130
    assert line == "magdr-video: stopped by a signal; nothing half-written is left"
    assert "--resume goes on" in hint
    monkeypatch.undo()
    without_networks(monkeypatch)
    runs.translate_clip(source, target, quick(), resume=True)
    assert_same_film(target, undisturbed)


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


def test_an_interrupted_run_has_its_report(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch, lambda batch: os.kill(os.getpid(), signal.SIGINT))
    report = tmp_path / "r.json"
    code, _, words = finish(
        program("defend", source, "-o", tmp_path / "b.mp4", *FLAGS[:-1], "--report", report)
    )
    # The second batch sends the second signal, in the middle of the first segment.
    assert code == 130, words
    assert json.loads(report.read_text("utf-8"))["exit_code"] == 130


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
