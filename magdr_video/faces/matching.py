"""Which detection belongs to which track: overlap and distance, and the courage to say neither."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

_FORBIDDEN = 1e3
_MAX_SIZE_RATIO = 1.8
_AMBIGUOUS = 0.15


def centres(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(B, 2) centres of (B, 4) xyxy boxes."""
    whole = np.asarray(boxes, np.float64)
    middle: NDArray[np.float64] = (whole[:, :2] + whole[:, 2:]) / 2
    return middle


def sizes(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(B,) square roots of the areas of (B, 4) xyxy boxes, at least one pixel."""
    sides = np.maximum(np.asarray(boxes, np.float64)[:, 2:] - boxes[:, :2], 1.0)
    return np.asarray(np.sqrt(sides[:, 0] * sides[:, 1]), np.float64)


def overlap(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """(A, B) intersection over union of (A, 4) and (B, 4) xyxy boxes."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=-1)
    area_a = np.prod(np.maximum(a[:, 2:] - a[:, :2], 0.0), axis=-1)
    area_b = np.prod(np.maximum(b[:, 2:] - b[:, :2], 0.0), axis=-1)
    union = area_a[:, None] + area_b[None] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float64)


def costs(
    expected: NDArray[np.floating], seen: NDArray[np.floating], reach: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(A, B) cost of taking box b for a: 0 for the same place, above 900 where impossible.

    Args:
        expected: (A, 4) boxes where the faces should be.
        seen: (B, 4) boxes where faces were found.
        reach: (A,) largest distance of the centres, in sizes of the expected face.
    """
    if len(expected) == 0 or len(seen) == 0:
        return np.zeros((len(expected), len(seen)))
    size_a, size_b = sizes(expected), sizes(seen)
    apart = np.linalg.norm(centres(expected)[:, None] - centres(seen)[None], axis=-1)
    distance = apart / size_a[:, None]
    ratio = size_a[:, None] / size_b[None]
    cost = (1 - overlap(expected, seen)) + distance + np.abs(np.log(ratio))
    impossible = (distance > reach[:, None]) | (np.maximum(ratio, 1 / ratio) > _MAX_SIZE_RATIO)
    return np.where(impossible, _FORBIDDEN, cost)


def assign(cost: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (a, b) of least total cost (Kuhn 1955), impossible ones left out."""
    rows, columns = linear_sum_assignment(cost)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return [(a, b) for a, b in pairs if cost[a, b] < _FORBIDDEN]


def doubtful(cost: NDArray[np.float64], pairs: list[tuple[int, int]]) -> set[int]:
    """Rows whose pair could as well belong to another row: an identity swap in waiting.

    Two rows are in doubt when exchanging their columns (or giving the column of one to the
    other, if that one has none) would cost less than 0.15 more.
    """
    column_of = dict(pairs)
    unsure: set[int] = set()
    for a, b in pairs:
        for other in range(cost.shape[0]):
            if other == a or cost[other, b] >= _FORBIDDEN:
                continue
            theirs = column_of.get(other)
            kept = cost[a, b] + (cost[other, theirs] if theirs is not None else 0.0)
            swapped = cost[other, b] + (cost[a, theirs] if theirs is not None else 0.0)
            if swapped - kept < _AMBIGUOUS:
                unsure |= {a, other}
    return unsure
