"""A long clip takes no more memory than a short one."""

from __future__ import annotations

import json
import resource
from fractions import Fraction
from pathlib import Path

import pytest

from magdr_video import runs
from magdr_video.settings import load_settings
from tests.clips import ClipPlan, Sound, make_clip
from tests.forked import fork
from tests.standins import without_networks

SETTLED = 1_000
"""Frames after which all queues are full and all buffers made."""
SECONDS = 1200
RATE = 10
FRAMES = SECONDS * RATE
MOST = 1024
"""KiB of memory that 1,000 frames more may take."""


def resident() -> int:
    """KiB that this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() // 1024


def growth_of(source: Path, target: Path, told: Path) -> float:
    """KiB a run takes for 1,000 frames, once it has settled; in a process of its own."""
    seen: list[tuple[int, int]] = []

    def look(frames: int, _: Fraction) -> None:
        if frames >= SETTLED:
            seen.append((frames, resident()))

    def work() -> None:
        settings = load_settings(task="edit", overrides=["output.preset=ultrafast"])
        runs.translate_clip(source, target, settings, tick=look)
        told.write_text(json.dumps([seen[0], seen[-1]]))

    with fork(work, patience=900) as child:
        child.given.close()
        assert child.wait() == 0, child.words.read().decode()
    (first, before), (last, after) = json.loads(told.read_text())
    assert last == FRAMES
    return (after - before) / ((last - first) / 1000)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_memory_does_not_grow_with_the_length_of_the_clip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    times = [index * 90000 // RATE for index in range(FRAMES)]
    make_clip(tmp_path / "a.mp4", ClipPlan(pts=times, sounds=[Sound(seconds=SECONDS)]))
    growth = growth_of(tmp_path / "a.mp4", tmp_path / "b.mp4", tmp_path / "told.json")
    assert growth < MOST
