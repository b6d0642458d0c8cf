"""Batches drawn by other processes: the same ones, in order, and no more than a few ahead."""

from __future__ import annotations

import os

import pytest

from magdr_video.training.ahead import DEPTH, Ahead, spread


def test_other_processes_draw_what_would_be_drawn_here() -> None:
    factor = 3  # A closure: what trainings draw with.
    ahead = Ahead(lambda index: (index * factor, os.getpid()), workers=2)
    drawn = [ahead.take(index) for index in range(5, 25)]
    ahead.close()
    assert [value for value, _ in drawn] == [3 * index for index in range(5, 25)]
    assert os.getpid() not in {process for _, process in drawn}


def test_no_more_batches_wait_than_the_depth() -> None:
    ahead = Ahead(lambda index: index, workers=1)
    for index in range(10):
        ahead.take(index)
        assert len(ahead._waiting) < DEPTH
    ahead.close()


def test_an_error_of_a_draw_is_raised_where_it_is_taken() -> None:
    ahead = Ahead(lambda index: 1 // (index - 1), workers=1)
    assert ahead.take(0) == -1
    with pytest.raises(ZeroDivisionError):
        ahead.take(1)
    ahead.close()


@pytest.mark.parametrize("workers", [0, 2])
def test_items_are_made_in_order(workers: int) -> None:
    offset = 100
    assert spread(lambda item: item + offset, range(20), workers) == list(range(100, 120))
