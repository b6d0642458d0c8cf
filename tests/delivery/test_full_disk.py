"""A disk that fills up, as the system tells it: one clear error, and the finished work stays."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magdr_video.video.journal import holds_work
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, make_clip
from tests.forked import finish, program
from tests.standins import without_networks

FLAGS = (
    "--task", "edit", "--set", "run.batch=4", "--set", "output.segment=16", "-q",
    "--encoder-preset", "ultrafast", "--crf", "0",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    without_networks(monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=64, width=128, height=96))
    return tmp_path / "a.mp4"


def lumas(path: Path) -> np.ndarray:
    with ClipReader(path, batch=1000) as reader:
        return next(iter(reader)).planes[0]


def assert_one_clear_error(code: int, words: str) -> None:
    assert code == 7, words
    first, *hint = words.splitlines()
    assert first.startswith("magdr-video: no space left for ")
    assert len(hint) <= 1 and "Traceback" not in words


def within(size: int, work: Callable[[], Any]) -> Callable[[], Any]:
    """The same in a process whose files may have so many bytes at most."""

    def limited() -> Any:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return work()

    return limited


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_film_that_does_not_fit_leaves_its_segments_to_go_on_from(
    source: Path, tmp_path: Path
) -> None:
    """The segments fit one by one, the film does not."""
    undisturbed, target = tmp_path / "whole.mp4", tmp_path / "b.mp4"
    code, _, words = finish(program("defend", source, "-o", undisturbed, *FLAGS))
    assert code == 0, words
    run = program("defend", source, "-o", target, *FLAGS)
    code, _, words = finish(within(undisturbed.stat().st_size * 3 // 4, run))
    assert_one_clear_error(code, words)
    assert "--resume goes on from frame 64" in words
    assert files(tmp_path) == {
        "a.mp4", "whole.mp4", "whole.mp4.magdr.json", ".b.mp4.journal",
    }  # fmt: skip
    code, _, words = finish(program("defend", source, "-o", target, *FLAGS, "--resume"))
    assert code == 0, words
    np.testing.assert_array_equal(lumas(target), lumas(undisturbed))


def test_where_not_even_a_segment_fits_nothing_is_left(source: Path, tmp_path: Path) -> None:
    run = program("defend", source, "-o", tmp_path / "b.mp4", *FLAGS)
    code, _, words = finish(within(4000, run))
    assert_one_clear_error(code, words)
    assert "--resume" not in words
    assert files(tmp_path) == {"a.mp4"}


def test_a_run_without_segments_leaves_nothing_either(source: Path, tmp_path: Path) -> None:
    flags = (*FLAGS, "--set", "output.segment=0")
    run = program("defend", source, "-o", tmp_path / "b.mkv", *flags)
    code, _, words = finish(within(20_000, run))
    assert_one_clear_error(code, words)
    assert files(tmp_path) == {"a.mp4"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with little room; only root may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small file system, and not everywhere")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_once_there_is_space_again_a_full_disk_costs_nothing(
    source: Path, small_disk: Path, tmp_path: Path
) -> None:
    undisturbed, target = tmp_path / "whole.mp4", small_disk / "b.mp4"
    finish(program("defend", source, "-o", undisturbed, *FLAGS))
    film = undisturbed.stat().st_size
    room = f"size={film * 7 // 8 // 1024}k"
    subprocess.run(["mount", "-o", f"remount,{room}", str(small_disk)], check=True)
    code, _, words = finish(
        program("defend", source, "-o", target, *FLAGS, "--report", small_disk / "r.json")
    )
    assert_one_clear_error(code, words)
    assert files(small_disk) == {".b.mp4.journal", "r.json"}
    assert holds_work(target)
    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    code, _, words = finish(program("defend", source, "-o", target, *FLAGS, "--resume"))
    assert code == 0, words
    np.testing.assert_array_equal(lumas(target), lumas(undisturbed))
    assert files(small_disk) == {"b.mp4", "b.mp4.magdr.json", "r.json"}
