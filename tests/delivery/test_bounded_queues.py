"""Queues between decoder, stages and encoder: how many batches are alive at once, at most."""

from __future__ import annotations

import dataclasses
import time
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from magdr_video.delivery.translation import (
    FINISHED_BATCHES,
    PREFETCHED_BATCHES,
    SCOUTED_BATCHES,
    Translation,
    worked_ahead,
)
from magdr_video.settings import load_settings
from magdr_video.types import FrameBatch, RunReport
from tests.faces.batches import make_batch
from tests.standins import inverting

FRAMES_A_BATCH = 4
REACH = 12
BATCHES = 750
"""3,000 frames."""

AROUND = 2 * REACH // FRAMES_A_BATCH + 1
"""Batches that the stages hold: those within reach before and after, and the one at work."""
HANDS = 4
"""Batches in nobody's queue: in the hands of decoder, face search, stages and encoder."""
AHEAD = PREFETCHED_BATCHES + SCOUTED_BATCHES
BOUND = AHEAD + AROUND + FINISHED_BATCHES + HANDS

Pace = Callable[[int], None]


class Source:
    """A clip without end that knows which of its batches are still alive."""

    def __init__(self, batches: int, pace: Pace) -> None:
        self.info = SimpleNamespace(first_pts=0, path="made up")
        self.alive = self.most = self.decoded = 0
        self._batches, self._pace = batches, pace

    def __iter__(self) -> Iterator[FrameBatch]:
        pattern = make_batch(FRAMES_A_BATCH, 8, 8)
        for number in range(self._batches):
            self._pace(number)
            first = number * FRAMES_A_BATCH
            planes = tuple(plane.copy() for plane in pattern.planes)
            weakref.finalize(planes[1], self._gone)
            self.alive += 1
            self.most = max(self.most, self.alive)
            self.decoded += 1
            yield dataclasses.replace(
                pattern, planes=planes, first_index=first, pts=pattern.pts + first * 40
            )

    def _gone(self) -> None:
        self.alive -= 1

    def abandon(self) -> None:
        """Nothing to abandon."""


def at_once(number: int) -> None:
    """No work."""


def now_and_then(number: int) -> None:
    """Work that lets all others run ahead."""
    if number % 25 == 0:
        time.sleep(0.01)


def play(source: Source, stages: Pace, encoder: Pace) -> list[int]:
    """Run the clip through; batches alive whenever one is encoded."""
    staged = inverting(lambda batch: stages(batch.first_index // FRAMES_A_BATCH))
    made_up: Any = source
    work = Translation(
        made_up,
        staged,
        load_settings(task="edit"),
        RunReport(),
        {},
        lambda frames, seconds: None,
        lambda: 0,
    )
    alive = []
    reaching = dataclasses.replace(staged.stages, reach=REACH)
    with worked_ahead(work.batches(reaching)) as batches:
        for number, _ in enumerate(batches):
            encoder(number)
            alive.append(source.alive)
    assert len(alive) == source.decoded
    return alive


@pytest.mark.parametrize("slow", ["decoder", "stages", "encoder"])
def test_whoever_is_slow_no_more_batches_wait_than_the_queues_hold(slow: str) -> None:
    def pace(part: str) -> Pace:
        return now_and_then if part == slow else at_once

    source = Source(BATCHES, pace("decoder"))
    alive = play(source, pace("stages"), pace("encoder"))
    assert source.most <= BOUND
    half = len(alive) // 2
    assert max(alive[half:]) <= BOUND
    assert source.alive <= 1  # the last one, in the loop's own hand


def test_a_stalled_encoder_lets_the_others_fill_their_queues_and_no_more() -> None:
    source = Source(BATCHES, at_once)
    reached = []

    def stalling(number: int) -> None:
        if number == 100:
            deadline = time.monotonic() + 5
            before = -1
            while source.decoded > before and time.monotonic() < deadline:
                before = source.decoded
                time.sleep(0.1)
            reached.append(source.decoded)

    play(source, at_once, stalling)
    # Ahead of the encoder: what is finished, what the stages look ahead at, what is decoded.
    ahead = reached[0] - 101
    assert FINISHED_BATCHES + REACH // FRAMES_A_BATCH + AHEAD <= ahead <= BOUND


def test_frames_are_written_into_where_they_were_decoded() -> None:
    # Two copies a frame: out of the decoder, and into the encoder. The stages add none.
    source = Source(3, at_once)
    seen: list[FrameBatch] = []
    staged = inverting(seen.append)
    in_place = dataclasses.replace(
        staged.stages, paste=lambda batch, *rest: seen.append(batch) or batch
    )
    made_up: Any = source
    settings = load_settings(task="edit")
    work = Translation(made_up, staged, settings, RunReport(), {}, lambda *_: None, lambda: 0)
    with worked_ahead(work.batches(in_place)) as batches:
        for given, came in zip(seen, list(batches), strict=True):
            assert all(
                np.shares_memory(a, b) for a, b in zip(given.planes, came.planes, strict=True)
            )
