"""Clips in processes: the same results as in one, and no process that outlives its batch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import psutil
import pytest

from magdr_video.batch.whole import run_batch
from magdr_video.errors import Interrupted
from magdr_video.stopping import STOPPING
from tests.batch.works import Gallery, NamedWork, entries, run
from tests.clips import ClipPlan, make_clip

ROOT = Path(__file__).resolve().parents[2]


def workers_of(pid: int) -> list[psutil.Process]:
    """Worker processes of a process; multiprocessing's resource tracker is none."""
    held = psutil.Process(pid).children()
    return [child for child in held if "spawn_main" in " ".join(child.cmdline())]


def test_each_worker_loads_once_and_the_report_keeps_the_order(tmp_path: Path) -> None:
    names = [f"clip{n}" for n in range(6)]
    names[3] = "bad3"
    batch, work, gallery = run(tmp_path, *names, jobs=2)
    loads = work.notes("load")
    assert len(loads) == len({pid for pid, _ in loads}) == 2
    assert str(os.getpid()) not in {pid for pid, _ in loads}
    assert sorted(word for _, word in work.notes("clip")) == sorted(names)
    assert [Path(one["input"]).stem for one in batch.documents] == names
    assert [one["exit_code"] for one in batch.documents] == [0, 0, 0, 3, 0, 0]
    assert batch.documents[3]["error"]["hint"] == "name a film"
    assert sorted(gallery.ended) == sorted(gallery.begun) == list(range(6))
    assert (0, 50) in gallery.ticks
    assert workers_of(os.getpid()) == []


def test_the_cores_are_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 12)
    _, work, _ = run(tmp_path, "a", "b", jobs=3)
    assert {word for _, word in work.notes("load")} == {"4"}


def test_a_worker_that_crashes_costs_its_clip_and_is_replaced(tmp_path: Path) -> None:
    batch, _, _ = run(tmp_path, "crash1", "crash2", "c", jobs=2)
    assert [one["exit_code"] for one in batch.documents] == [1, 1, 0]
    for name, document in zip(("crash1", "crash2"), batch.documents, strict=False):
        assert "SIGSEGV" in document["error"]["message"]
        assert str(tmp_path / f"{name}.mp4") in document["error"]["message"]
    assert workers_of(os.getpid()) == []


def test_an_interruption_stops_every_worker_and_leaves_nothing(tmp_path: Path) -> None:
    class Stopping(Gallery):
        def tick(self, index: int, frames: int, seconds: Fraction) -> None:
            super().tick(index, frames, seconds)
            if {index for index, _ in self.ticks} == {0, 1}:
                raise Interrupted("stopped by a signal", signal_number=2)

    work = NamedWork(tmp_path / "diary")
    batch = run_batch(entries(tmp_path, "slow1", "slow2", "c"), work, Stopping(), jobs=2)
    assert batch.ending is not None and batch.ending.exit_code == 130
    assert sorted(word for _, word in work.notes("stopped")) == ["slow1", "slow2"]
    assert {index: one["exit_code"] for index, one in batch.reports.items()} == {0: 143, 1: 143}
    assert [job.source.stem for job in batch.left] == ["slow1", "slow2", "c"]
    assert workers_of(os.getpid()) == []
    assert [path.name for path in tmp_path.iterdir()] == ["diary"]


def test_a_clip_that_gets_done_while_the_batch_stops_counts(tmp_path: Path) -> None:
    class Stopping(Gallery):
        def tick(self, index: int, frames: int, seconds: Fraction) -> None:
            super().tick(index, frames, seconds)
            if {index for index, _ in self.ticks} == {0, 1}:
                raise Interrupted("stopped by a signal", signal_number=2)

    done: list[str] = []
    work = NamedWork(tmp_path / "diary")
    held = entries(tmp_path, "stubborn1", "slow2", "c")
    batch = run_batch(held, work, Stopping(), jobs=2, done=lambda job: done.append(job.source.stem))
    assert done == ["stubborn1"]
    assert batch.reports[0]["exit_code"] == 0
    assert batch.ending is not None and batch.ending.exit_code == 130


def start(folder: Path, *names: str) -> subprocess.Popen[str]:
    """The program in a process group of its own, once both workers are at work."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.batch.works", str(folder), *names],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.part"))) < 2:
        assert time.monotonic() < deadline and child.poll() is None, child.communicate()
        time.sleep(0.05)
    return child


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_the_whole_terminal_ends_all_in_order(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    child = start(tmp_path, "slow1", "slow2", "c")
    workers = workers_of(child.pid)
    assert len(workers) == 2
    if number == signal.SIGINT:
        os.killpg(child.pid, number)
    else:
        child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == code
    told, ended, hint = err.splitlines()
    assert told == STOPPING.decode().strip()
    assert ended == "magdr-video: stopped by a signal; 3 of 3 inputs are left"
    assert "--resume" in hint
    assert out.strip() == "['slow1', 'slow2', 'c']"
    assert [path.name for path in tmp_path.iterdir()] == ["diary"]
    assert not any(worker.is_running() for worker in workers)


def test_ctrl_c_while_workers_start_prints_no_stack(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.batch.works", str(tmp_path), "slow1", "slow2"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not workers_of(child.pid):
        assert child.poll() is None
        time.sleep(0.005)
    os.killpg(child.pid, signal.SIGINT)
    _, err = child.communicate(timeout=120)
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert "magdr-video: stopped by a signal; 2 of 2 inputs are left" in err.splitlines()


def test_workers_do_not_outlive_a_batch_that_was_killed(tmp_path: Path) -> None:
    child = start(tmp_path, "slow1", "slow2")
    workers = workers_of(child.pid)
    assert len(workers) == 2
    child.kill()
    child.communicate(timeout=60)
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    assert [path.name for path in tmp_path.iterdir()] == ["diary"]


def test_planning_a_batch_loads_no_torch(tmp_path: Path) -> None:
    """The process that gives out the work would hold 700 MB for nothing."""
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).touch()
    code = (
        "import sys; from pathlib import Path\n"
        "from magdr_video.command.inputs import expand\n"
        "from magdr_video.command.targets import Overwriting, plan\n"
        f"found = expand([Path({str(tmp_path)!r})])\n"
        "entries = plan(found, None, many=True, overwriting=Overwriting())\n"
        "assert len(entries) == 2 and not any(entry.refusal for entry in entries)\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.slow
def test_real_models_are_loaded_in_workers_and_both_clips_come_out(tmp_path: Path) -> None:
    for name in ("b.mp4", "a.mp4"):
        make_clip(tmp_path / name, ClipPlan(frames=3))
    (tmp_path / "text.mp4").write_text("no film")
    words = ["defend", str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", "2", "--json", "-q"]
    done = subprocess.run(
        [sys.executable, "-m", "magdr_video", *words, "--task", "edit", "--device", "cpu"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    made = json.loads(done.stdout)
    assert [Path(one["input"]).name for one in made["runs"]] == ["a.mp4", "b.mp4", "text.mp4"]
    assert [one["run"]["frames_out"] for one in made["runs"][:2]] == [3, 3]
    assert {path.name for path in (tmp_path / "out").glob("*.mp4")} == {
        "a_defended.mp4",
        "b_defended.mp4",
    }
    assert done.stderr.splitlines() == ["magdr-video: 1 of 3 inputs failed"]
