"""The stages as one loop; files, threads and progress live around it.

`Stages` is a frozen value of callables with typed ends; tests swap any of them for a fake. A
stage that reuses work between frames keeps its own state; the loop does not know.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magdr_video.errors import MagdrError, RuntimeFailure
from magdr_video.types import FaceCrops, Faces, FrameBatch, Masks, RunReport, Verdict

Placed = tuple[int, FaceCrops]
"""Crops of a batch and the index in the clip of its first frame."""


@dataclass(frozen=True)
class Neighbours:
    """Crops of the batches around, for stages that look along a track."""

    before: tuple[Placed, ...] = ()
    """Batches that reach into the frames before, in order."""
    after: tuple[Placed, ...] = ()
    """Batches that reach into the frames after, in order."""


@dataclass(frozen=True)
class Stages:
    """What happens to a clip's faces, in order."""

    find_faces: Callable[[Iterable[FrameBatch]], Iterator[tuple[FrameBatch, Faces]]]
    align: Callable[[FrameBatch, Faces], FaceCrops]
    parse: Callable[[FrameBatch, FaceCrops], Masks]
    condition: Callable[[FrameBatch, FaceCrops], Tensor]
    inspect: Callable[[FrameBatch, FaceCrops, Masks, Tensor, Neighbours], Verdict]
    reconstruct: Callable[[FrameBatch, FaceCrops, Masks, Tensor, Verdict, Neighbours], Tensor]
    translate: Callable[[Tensor, Tensor, Verdict], Tensor]
    paste: Callable[[FrameBatch, FaceCrops, Tensor, Masks], FrameBatch]
    reach: int = 0
    """Frames before and after a face that `inspect` and `reconstruct` look at."""


class Clock:
    """Adds up the seconds that each stage is at work, into a report."""

    def __init__(self, report: RunReport) -> None:
        self.report = report

    @contextmanager
    def running(self, stage: str) -> Iterator[None]:
        """Count the time spent inside under `stage`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.report.seconds[stage] = self.report.seconds.get(stage, 0.0) + spent

    def iterate(self, stage: str, items: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
        """Pass items through and count the time spent waiting for them."""
        iterator = iter(items)
        while True:
            with self.running(stage):
                item = next(iterator, None)
            if item is None:
                return
            yield item


Aligned = tuple[FrameBatch, FaceCrops]


def with_neighbours(
    items: Iterable[Aligned], reach: int
) -> Iterator[tuple[FrameBatch, FaceCrops, Neighbours]]:
    """Hold batches back until each can be seen with the crops `reach` frames around it."""
    before: list[Aligned] = []
    waiting: deque[Aligned] = deque()
    for following in items:
        waiting.append(following)
        while waiting and _last(following) >= _last(waiting[0]) + reach:
            yield _with_crops_around(before, waiting, reach)
    while waiting:
        yield _with_crops_around(before, waiting, reach)


def _last(item: Aligned) -> int:
    return item[0].first_index + len(item[0]) - 1


def _with_crops_around(
    before: list[Aligned], waiting: deque[Aligned], reach: int
) -> tuple[FrameBatch, FaceCrops, Neighbours]:
    """Take the first of the waiting batches, and keep it for those that follow."""
    current = waiting.popleft()
    first, last = current[0].first_index, _last(current)
    before[:] = [held for held in before if _last(held) >= first - reach]
    after = [held for held in waiting if held[0].first_index <= last + reach]
    around = Neighbours(_placed(before), _placed(after))
    before.append(current)
    return (*current, around)


def _placed(items: Iterable[Aligned]) -> tuple[Placed, ...]:
    return tuple((batch.first_index, crops) for batch, crops in items)


def run(
    batches: Iterable[FrameBatch],
    stages: Stages,
    report: RunReport,
    *,
    strict: bool = False,
    begin: int = 0,
) -> Iterator[FrameBatch]:
    """Translate a clip, batch by batch, in order; every frame comes out once.

    A batch whose face stages fail is passed through unchanged, counted and reported.

    Args:
        report: counters are added to it while the clip runs.
        strict: raise instead of passing a failed batch through.
        begin: index of the first frame that comes out; batches before it are only aligned, as
            neighbours of what follows.

    Raises:
        RuntimeFailure: a stage failed and `strict` is set.
    """
    clock = Clock(report)
    found = stages.find_faces(clock.iterate("decode", batches))
    aligned = _aligned(found, stages, report, clock, strict)
    for batch, crops, around in with_neighbours(aligned, stages.reach):
        if batch.first_index < begin:
            continue
        report.frames_in += len(batch)
        report.faces += len(crops)
        report.frames_without_face += len(batch) - len(np.unique(crops.faces.frame))
        yield _translate_batch(batch, crops, around, stages, report, clock, strict)


def _aligned(
    found: Iterator[tuple[FrameBatch, Faces]],
    stages: Stages,
    report: RunReport,
    clock: Clock,
    strict: bool,
) -> Iterator[Aligned]:
    while True:
        # Finding pulls frames from the decoder; that time is counted as decoding as well.
        with clock.running("find faces and decode"):
            item = next(found, None)
        if item is None:
            return
        batch, faces = item
        try:
            with clock.running("align"):
                crops = stages.align(batch, faces)
        except MagdrError:
            raise
        except Exception as error:
            _fail(batch, error, report, strict)
            crops = _no_crops()
        yield batch, crops


def _no_crops() -> FaceCrops:
    return FaceCrops(torch.zeros(0, 3, 1, 1), np.zeros((0, 2, 3)), Faces.none())


def _translate_batch(
    batch: FrameBatch,
    crops: FaceCrops,
    around: Neighbours,
    stages: Stages,
    report: RunReport,
    clock: Clock,
    strict: bool,
) -> FrameBatch:
    if len(crops) == 0:
        return batch
    try:
        with clock.running("parse"):
            masks = stages.parse(batch, crops)
        with clock.running("condition"):
            condition = stages.condition(batch, crops)
        with clock.running("inspect"):
            verdict = stages.inspect(batch, crops, masks, condition, around)
        with clock.running("reconstruct"):
            restored = stages.reconstruct(batch, crops, masks, condition, verdict, around)
        with clock.running("translate"):
            translated = stages.translate(restored, condition, verdict)
        with clock.running("paste"):
            return stages.paste(batch, crops, translated, masks)
    except MagdrError:
        raise
    except Exception as error:
        _fail(batch, error, report, strict)
        return batch


def _fail(batch: FrameBatch, error: Exception, report: RunReport, strict: bool) -> None:
    """Count and report a batch that passes through unchanged, or raise."""
    if strict:
        raise RuntimeFailure(f"frames from {batch.first_index}: {error}") from error
    report.frames_passed_through += len(batch)
    about = {
        "first_frame": batch.first_index,
        "frames": len(batch),
        "pts": int(batch.pts[0]),
        "message": f"{type(error).__name__}: {error}",
    }
    report.failures.append(about)


def face_frames(batch: FrameBatch, crops: FaceCrops) -> Sequence[int]:
    """Index in the clip of each face's frame, F numbers."""
    return [batch.first_index + int(frame) for frame in crops.faces.frame]
