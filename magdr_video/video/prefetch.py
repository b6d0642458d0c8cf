"""Runs an iterator ahead of its consumer, in a thread of its own."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Raised:
    """An exception on its way to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    """No item follows."""


class _Kept:
    """A thread that waits for the next piece of work when one is done."""

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def start(self, work: Callable[[], None]) -> None:
        self._thread.name = "prefetch"
        self._work.put(work)

    def _serve(self) -> None:
        while True:
            self._work.get()()

    def rest(self) -> None:
        self._thread.name = "prefetch, at rest"


_AT_REST: dict[str, list[_Kept]] = {}
"""Kept threads that have nothing to do, by what they are kept for."""

if hasattr(os, "register_at_fork"):
    # A forked process has the list but not the threads.
    os.register_at_fork(after_in_child=_AT_REST.clear)


class _Runner(Generic[T]):
    def __init__(self, source: Iterator[T], depth: int, kept_for: str) -> None:
        self._source = source
        self._ready: queue.Queue[T | _Raised | _End] = queue.Queue(depth)
        self._stop, self._ended = threading.Event(), threading.Event()
        self._kept_for = kept_for

    def items(self) -> Iterator[T]:
        thread = self._begin()
        try:
            while not isinstance(item := self._ready.get(), _End):
                if isinstance(item, _Raised):
                    raise item.error
                yield item
        finally:
            self._finish(thread)

    def _begin(self) -> _Kept | threading.Thread:
        if not self._kept_for:
            thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
            thread.start()
            return thread
        waiting = _AT_REST.get(self._kept_for)
        kept = waiting.pop() if waiting else _Kept()
        kept.start(self._work)
        return kept

    def _finish(self, thread: _Kept | threading.Thread) -> None:
        """Stop the thread where it stands and wait for it."""
        self._stop.set()
        self._drain()
        if isinstance(thread, threading.Thread):
            thread.join()
            return
        self._ended.wait()
        thread.rest()
        _AT_REST.setdefault(self._kept_for, []).append(thread)

    def _work(self) -> None:
        try:
            self._run()
        finally:
            self._ended.set()

    def _drain(self) -> None:
        """Make room, so that a thread that waits to hand over an item sees the stop."""
        while True:
            try:
                self._ready.get_nowait()
            except queue.Empty:
                return

    def _run(self) -> None:
        try:
            for item in self._source:
                self._hand_over(item)
                if self._stop.is_set():
                    break
            self._hand_over(_End())
        except BaseException as error:
            self._hand_over(_Raised(error))
        finally:
            close = getattr(self._source, "close", None)
            if close is not None:
                close()

    def _hand_over(self, item: T | _Raised | _End) -> None:
        while not self._stop.is_set():
            try:
                # A full queue is looked at again twice a second, in case nobody wants it any more.
                self._ready.put(item, timeout=0.5)
            except queue.Full:
                continue
            return


def prefetch(source: Iterator[T], depth: int, *, kept_for: str = "") -> Iterator[T]:
    """Iterate over `source` in one daemon thread, at most `depth` items ahead.

    Items come in order. An exception of the source reaches the consumer at the place where it
    happened. Closing or dropping the consumer ends the thread and closes the source; that waits
    for the item being made.

    Args:
        source: any iterator; it is used by the thread alone from now on.
        depth: items that may wait, at least 1.
        kept_for: the thread is kept for the next source of that name; without one it ends. For work
            on a GPU: cuDNN's plans of convolutions belong to the thread that made them.

    Raises:
        ValueError: depth is below 1.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}, must be at least 1")
    return _Runner(source, depth, kept_for).items()
