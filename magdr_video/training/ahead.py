"""Batches drawn by other processes while the network trains.

Drawing is warping, blurring and JPEG on the CPU: on a GPU it takes longer than the step. A batch
depends on its index alone, so that the number of processes changes nothing but the time.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, Generic, TypeVar, cast

DrawnT = TypeVar("DrawnT")
ItemT = TypeVar("ItemT")

DEPTH = 4
"""Batches that each process draws ahead."""

_DRAW: Callable[[Any], Any] | None = None
"""What a forked process draws with: a closure over large arrays, which cannot be pickled."""


def _begin() -> None:
    """One thread each: OpenMP's others stayed behind in the parent, and a forked process that asks
    for them waits for ever."""
    import torch

    torch.set_num_threads(1)


def _drawn(index: Any) -> Any:
    assert _DRAW is not None
    return _DRAW(index)


def _pool(draw: Callable[[Any], Any], workers: int) -> ProcessPoolExecutor:
    """Processes that hold `draw`, forked here and now."""
    import cv2

    global _DRAW
    _DRAW = draw
    # OpenCV's own threads do not live on in a forked process, which would wait for them for ever.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"), _begin)
    # Processes start with the first tasks: all of them now, while `_DRAW` is this one.
    for started in [pool.submit(_nothing) for _ in range(workers)]:
        started.result()
    cv2.setNumThreads(threads)
    return pool


def _nothing() -> None:
    return None


class Ahead(Generic[DrawnT]):
    """Draws batch after batch ahead of need.

    Args:
        draw: the batch of an index.
        workers: processes; 0 draws here and when asked.
    """

    def __init__(self, draw: Callable[[int], DrawnT], workers: int) -> None:
        self._draw, self._depth = draw, DEPTH * workers
        self._pool = _pool(draw, workers) if workers else None
        self._waiting: dict[int, Future[Any]] = {}

    def take(self, index: int) -> DrawnT:
        """The batch of an index; those that follow it are begun."""
        if self._pool is None:
            return self._draw(index)
        for later in range(index, index + self._depth):
            if later not in self._waiting:
                self._waiting[later] = self._pool.submit(_drawn, later)
        return cast(DrawnT, self._waiting.pop(index).result())

    def close(self) -> None:
        """Let go of the processes."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def spread(
    make: Callable[[ItemT], DrawnT], items: Iterable[ItemT], workers: int
) -> Sequence[DrawnT]:
    """`make` of every item, in order, by `workers` processes (0: here)."""
    if not workers:
        return [make(item) for item in items]
    with _pool(make, workers) as pool:
        return list(pool.map(_drawn, items, chunksize=4))
