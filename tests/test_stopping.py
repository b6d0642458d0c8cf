"""A signal at any moment ends the program with one clear line and 128 more than its number."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from magdr_video.command import app
from tests.clips import make_clip
from tests.forked import finish, program

ROOT = Path(__file__).resolve().parents[1]
LINE = "magdr-video: stopped by a signal; nothing half-written is left\n"
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]

GREEDY = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIG{name})
    time.sleep(0.2)
except Exception:
    pass  # as libraries do that try what they could import
"""


class Doomed:
    """Sends a signal where an exception can go nowhere."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        signal.raise_signal(self.number)


def running(work: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """Exit code and words of a program that does only this."""

    def command(*_: Any, **__: Any) -> None:
        work()
        time.sleep(30)

    monkeypatch.setattr(app, "app", command)
    # As outside of pytest, which has a hook of its own.
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    code, _, words = finish(program())
    return code, words


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_that_comes_during_an_import_is_not_swallowed_by_it(
    number: signal.Signals, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greedy.py").write_text(GREEDY.format(name=number.name.removeprefix("SIG")))
    monkeypatch.syspath_prepend(str(tmp_path))
    ended = running(lambda: __import__("greedy"), monkeypatch)
    assert ended == (code, LINE)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_that_comes_during_a_destructor_is_not_lost(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drop() -> None:
        Doomed(number)

    assert running(drop, monkeypatch) == (code, LINE)


@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_that_a_library_makes_another_error_of_is_still_a_signal(
    number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load() -> None:
        try:
            signal.raise_signal(number)
            time.sleep(30)
        except Exception as error:
            raise RuntimeError("while copying a parameter") from error

    assert running(load, monkeypatch) == (code, LINE)


def test_an_error_of_our_own_making_is_not_laid_to_a_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise RuntimeError("no signal at all")

    code, words = running(fail, monkeypatch)
    assert code not in (0, 130, 143) and "no signal at all" in words


def heeds(pid: int, number: int) -> bool:
    """True once the process answers the signal itself."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def started(*arguments: str) -> subprocess.Popen[str]:
    """The real program from its first moment, once it answers signals."""
    child = subprocess.Popen(
        [sys.executable, "-m", "magdr_video", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not heeds(child.pid, signal.SIGTERM):
        assert child.poll() is None
        time.sleep(0.002)
    return child


MOMENTS = [pytest.param(seed, marks=[pytest.mark.slow] if seed else []) for seed in range(6)]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("seed", MOMENTS)
@pytest.mark.parametrize(("number", "code"), SIGNALS)
def test_a_signal_during_start_up_prints_one_line_and_no_stack(
    number: signal.Signals, code: int, seed: int, tmp_path: Path
) -> None:
    """At once, and at random moments of the seconds in which torch is loaded."""
    make_clip(tmp_path / "a.mp4")
    child = started("defend", str(tmp_path / "a.mp4"), "--task", "edit", "--progress", "none")
    began = psutil.Process(child.pid).cpu_times().user
    wanted = 3 * random.Random(1000 * number + seed).random() if seed else 0
    while child.poll() is None and psutil.Process(child.pid).cpu_times().user < began + wanted:
        time.sleep(0.005)
    child.send_signal(number)
    out, words = child.communicate(timeout=120)
    if child.returncode == 0:
        pytest.skip("the run was quicker than the signal")
    assert (child.returncode, out) == (code, ""), words
    lines = [line for line in words.splitlines() if not line.startswith("  ")]
    assert all(line.startswith("magdr-video: ") for line in lines) and lines, words
    assert {path.name for path in tmp_path.iterdir()} <= {"a.mp4", "a_defended.partial.mp4"}


def test_after_the_last_word_a_signal_says_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves() -> None:
        try:
            program("--version")()
        finally:
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL

    code, _, words = finish(leaves)
    assert (code, words) == (0, "")
