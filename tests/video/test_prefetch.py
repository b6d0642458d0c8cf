"""Running ahead: in order, bounded, with every exception delivered and every thread ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from magdr_video.video.prefetch import prefetch


def threads() -> int:
    return sum(thread.name == "prefetch" for thread in threading.enumerate())


def test_items_come_in_order_and_the_thread_ends() -> None:
    assert list(prefetch(iter(range(100)), 3)) == list(range(100))
    assert threads() == 0


def test_an_empty_source_ends_at_once() -> None:
    assert list(prefetch(iter(()), 1)) == []


def test_it_runs_ahead_by_its_depth_and_no_further() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for index in range(50):
            made.append(index)
            yield index

    items = prefetch(source(), 3)
    next(items)
    deadline = time.monotonic() + 5
    while len(made) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    # One was taken, three wait, one more is in the thread's hand.
    assert len(made) == 5
    items.close()  # type: ignore[attr-defined]


def test_an_exception_arrives_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    seen = []
    with pytest.raises(KeyError, match="third"):
        for item in prefetch(source(), 1):
            seen.append(item)
    assert seen == [1, 2]
    assert threads() == 0


def test_closing_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = prefetch(source(), 2)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert threads() == 0


def test_a_consumer_that_fails_leaves_no_thread() -> None:
    def consume() -> None:
        items = prefetch(iter(range(1000)), 2)
        for item in items:
            if item == 5:
                raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        consume()
    deadline = time.monotonic() + 5
    while threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threads() == 0


def test_a_depth_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="depth is 0"):
        prefetch(iter(()), 0)


def test_a_kept_thread_serves_the_next_source_and_hands_on_its_errors() -> None:
    seen: list[int] = []

    def source(count: int) -> Iterator[int]:
        for index in range(count):
            seen.append(threading.get_ident())
            yield index
        if count == 2:
            raise KeyError("after two")

    assert list(prefetch(source(3), 1, kept_for="a test")) == [0, 1, 2]
    with pytest.raises(KeyError, match="after two"):
        list(prefetch(source(2), 1, kept_for="a test"))
    broken_off = prefetch(source(9), 1, kept_for="a test")
    next(broken_off)
    broken_off.close()  # type: ignore[attr-defined]
    assert threads() == 0, "at rest"
    assert list(prefetch(source(1), 1, kept_for="a test")) == [0]
    assert len(set(seen)) == 1
    assert list(prefetch(source(1), 1)) == [0]
    assert len(set(seen)) == 2, "a thread of its own"


def test_two_sources_of_one_name_run_side_by_side() -> None:
    one, other = (prefetch(iter(range(3)), 1, kept_for="two") for _ in range(2))
    assert [(next(one), next(other)) for _ in range(3)] == [(0, 0), (1, 1), (2, 2)]
    assert list(one) == list(other) == []
