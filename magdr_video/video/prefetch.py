"""Runs an iterator ahead of its consumer, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class _Raised:
    """An exception on its way to the consumer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _End:
    """No item follows."""


class _Runner(Generic[T]):
    def __init__(self, source: Iterator[T], depth: int) -> None:
        self._source = source
        self._ready: queue.Queue[T | _Raised | _End] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)

    def items(self) -> Iterator[T]:
        self._thread.start()
        try:
            while not isinstance(item := self._ready.get(), _End):
                if isinstance(item, _Raised):
                    raise item.error
                yield item
        finally:
            self._finish()

    def _finish(self) -> None:
        """Stop the thread where it stands and wait for it."""
        self._stop.set()
        self._drain()
        self._thread.join()

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


def prefetch(source: Iterator[T], depth: int) -> Iterator[T]:
    """Iterate over `source` in one daemon thread, at most `depth` items ahead.

    Items come in order. An exception of the source reaches the consumer at the place where it
    happened. Closing or dropping the consumer ends the thread and closes the source; that waits
    for the item being made.

    Args:
        source: any iterator; it is used by the thread alone from now on.
        depth: items that may wait, at least 1.

    Raises:
        ValueError: depth is below 1.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}, must be at least 1")
    return _Runner(source, depth).items()
