"""One face through successive frames of a shot: its sightings, what lies between, its filter."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from magdr_video.faces.appearance import Look
from magdr_video.faces.detections import Detections
from magdr_video.faces.matching import centres, sizes
from magdr_video.faces.smoothing import OneEuro, Smoothing
from magdr_video.types import FrameBatch


@dataclass(frozen=True)
class Sighting:
    """A face as it was detected, or as it was interpolated."""

    points: NDArray[np.float64]
    """(7, 2): the box's two corners, then the five landmarks; frame pixels."""
    score: float
    filled: bool

    @property
    def box(self) -> NDArray[np.float64]:
        """(4,) x0 y0 x1 y1."""
        return self.points[:2].reshape(4)

    @property
    def size(self) -> float:
        """Square root of the box's area in pixels."""
        return float(sizes(self.box[None])[0])

    @staticmethod
    def of(found: Detections, index: int) -> Sighting:
        """One of the faces of a frame."""
        points = np.concatenate([found.boxes[index].reshape(2, 2), found.landmarks[index]])
        return Sighting(points.astype(np.float64), float(found.scores[index]), filled=False)


@dataclass
class Slot:
    """One frame that waits for the faces in it."""

    batch: FrameBatch
    index: int
    """Of the frame in its batch."""
    number: int
    """Of the frame in the clip."""
    seconds: Fraction
    shot: int
    place: int
    """Of the frame in its shot; 0 opens the shot."""
    found: Detections | None = None
    """What was seen; None while nobody has looked."""
    is_searched: bool = False
    """True where a full detection has looked at the whole frame."""
    faces: list[tuple[Track, Sighting]] = field(default_factory=list)


class Track:
    """A face from its first detection in a shot to its last.

    Args:
        slot: the frame it was first seen in.
        sighting: where.
        smoothing: settings of the landmark filter, None for none.
    """

    def __init__(self, slot: Slot, sighting: Sighting, smoothing: Smoothing | None) -> None:
        self.id: int | None = None
        """Number of the track; given when its first face leaves the tracker."""
        self.first_number = self.last_number = slot.number
        self.last_seconds = slot.seconds
        self.hits = 1
        self.misses = 0
        self.rivals: set[Track] = set()
        """Tracks that met this one and have not parted from it (`Rivals`)."""
        self.look: Look | None = None
        """How the face looked when it was last seen alone near another."""
        self._filter = OneEuro(smoothing) if smoothing else None
        self._raw = sighting
        self._velocity = np.zeros(2)
        self._put(slot, sighting, Fraction(0))

    @property
    def is_false_alarm(self) -> bool:
        """True when it was seen once, and not again where the detector looked next."""
        return self.hits == 1 and self.misses > 0

    def expected_box(self, seconds: Fraction) -> NDArray[np.float64]:
        """(4,) where the face should be; its speed is trusted for a third of a second."""
        ahead = min(float(seconds - self.last_seconds), 1 / 3)
        return self._raw.box + np.tile(self._velocity * ahead, 2)

    def reach(self, seconds: Fraction) -> float:
        """Largest plausible distance from `expected_box`, in face sizes; grows with time."""
        return 0.6 + min(float(seconds - self.last_seconds), 0.6)

    def extend(self, between: list[Slot], slot: Slot, sighting: Sighting) -> None:
        """Add a detection; the frames since the last one get a straight line in time.

        Args:
            between: the frames after the last detection and before `slot`, in order.
            slot: the frame of the detection.
            sighting: the detection.
        """
        start, before = self.last_seconds, self._raw
        span = slot.seconds - start
        now = start
        for step, middle in enumerate(between, start=1):
            even = step / (len(between) + 1)
            share = float((middle.seconds - start) / span) if span > 0 else even
            self._put(middle, _blend(before, sighting, share), middle.seconds - now)
            now = middle.seconds
        self._put(slot, sighting, slot.seconds - now)
        self._follow(before, sighting, float(span))
        self.last_number, self.last_seconds, self._raw = slot.number, slot.seconds, sighting
        self.hits += 1

    def _follow(self, before: Sighting, now: Sighting, seconds: float) -> None:
        moved = centres(now.box[None])[0] - centres(before.box[None])[0]
        self._velocity = 0.5 * self._velocity + 0.5 * moved / max(seconds, 1e-3)

    def _put(self, slot: Slot, sighting: Sighting, elapsed: Fraction) -> None:
        points = sighting.points
        if self._filter is not None:
            points = self._filter.step(points, sighting.size, float(elapsed))
        slot.faces.append((self, Sighting(points, sighting.score, sighting.filled)))


def _blend(a: Sighting, b: Sighting, share: float) -> Sighting:
    """`share` of the way from a to b."""
    points = a.points + share * (b.points - a.points)
    return Sighting(points, a.score + share * (b.score - a.score), filled=True)
