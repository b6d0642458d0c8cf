"""Between which key frames a straight line is too crude, so that the detector must look closer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from magdr_video.faces.detections import Detections
from magdr_video.faces.matching import assign, costs, sizes

LARGE_MOTION = 0.15
"""Of the face's size between two key frames."""

LARGE_BEND = 0.06
"""Distance of the landmarks' centre, in face sizes, from where the last two key frames pointed.
A straight line errs by an eighth of it, 0.75 % of the face. Landmarks, not boxes: MTCNN can be
wrong about them on one frame with full confidence, where its box barely moves; looked at closely,
such a frame spoils itself only, and not its neighbours as well."""

_FAST = 0.8
"""Motion before a bend may be large: a head that stops is the usual bend."""


@dataclass(frozen=True)
class KeyFrame:
    """What was seen on a frame that is always looked at."""

    number: int
    shot: int
    seconds: Fraction
    found: Detections


def uneven_stretches(keys: Sequence[KeyFrame]) -> list[tuple[KeyFrame, KeyFrame]]:
    """Neighbouring key frames of one shot between which faces appear, vanish, jump or turn.

    Args:
        keys: in order; for the first stretch there is no earlier motion to compare with.
    """
    uneven: list[tuple[KeyFrame, KeyFrame]] = []
    for place in range(1, len(keys)):
        a, b = keys[place - 1], keys[place]
        if a.shot != b.shot:
            continue
        before = keys[place - 2] if place > 1 and keys[place - 2].shot == a.shot else None
        if not _is_steady(a.found, b.found) or (before is not None and _bends(before, a, b)):
            uneven.append((a, b))
    return uneven


def _pairs(a: Detections, b: Detections, reach: float = LARGE_MOTION) -> dict[int, int]:
    return dict(assign(costs(a.boxes, b.boxes, np.full(len(a), reach))))


def _is_steady(a: Detections, b: Detections) -> bool:
    """True when every sure face of either frame has a partner close by in the other."""
    pairs = _pairs(a, b)
    is_lost = any(a.sure[row] and row not in pairs for row in range(len(a)))
    is_new = any(b.sure[column] and column not in pairs.values() for column in range(len(b)))
    return not is_lost and not is_new


def _bends(before: KeyFrame, a: KeyFrame, b: KeyFrame) -> bool:
    """True when a face is not where its motion between the two earlier key frames led."""
    past = {there: here for here, there in _pairs(before.found, a.found, _FAST).items()}
    span = a.seconds - before.seconds
    ratio = float((b.seconds - a.seconds) / span) if span > 0 else 1.0
    z, now, then = (key.found.landmarks.mean(1, dtype=np.float64) for key in (before, a, b))
    size = sizes(a.found.boxes)
    for row, column in _pairs(a.found, b.found).items():
        if row in past:
            led_to = now[row] + (now[row] - z[past[row]]) * min(ratio, 1.0)
            if np.linalg.norm(then[column] - led_to) > LARGE_BEND * size[row]:
                return True
    return False
