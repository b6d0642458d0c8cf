"""Films of runs, and what makes two of them the same."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from magdr_video.settings import Settings, load_settings
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, Sound, vfr_times

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


def stopping_after(frames: int) -> tuple[Callable[..., None], Callable[[], int]]:
    """A tick and a stop: the run is asked to end once so many frames are out."""
    done = [0]

    def tick(count: int, _: Fraction) -> None:
        done[0] = count

    return tick, lambda: signal.SIGINT if done[0] >= frames else 0
