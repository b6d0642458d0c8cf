"""Two faces that meet: who is who when they part again.

While one face hides another, its track goes on alone, and position says nothing about which of
the two turns up where afterwards: two people who meet and turn back look, to a straight line, like
two who pass each other. Their looks decide then, or, where looks do not, both tracks end.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magdr_video.faces.appearance import Describe, distance
from magdr_video.faces.detections import Detections
from magdr_video.faces.matching import centres, overlap, sizes
from magdr_video.faces.track import Slot, Track

_NEAR = 2.0
"""Distance of two faces, in their size, from which their looks are noted."""
_MET = 0.1
"""Overlap from which one face may hide the other."""
_PARTED = 0.02
"""Overlap below which each face is seen alone."""
_CLEAR = 0.03
"""Difference of two sums of two distances that tells who is who."""

Pairs = list[tuple[int, int]]
"""(row of a track, column of a detection)."""


class Rivals:
    """Watches the tracks of a shot for faces that meet.

    Args:
        describe: how a face looks; without it, tracks that met end where they part.
    """

    def __init__(self, describe: Describe | None = None) -> None:
        self._describe = describe

    def settle(
        self, tracks: Sequence[Track], slot: Slot, found: Detections, pairs: Pairs
    ) -> tuple[Pairs, set[int]]:
        """Check the pairs of tracks that met, and note who meets whom.

        Returns:
            The pairs, exchanged where looks say so, and the rows that must end for doubt.
        """
        if len(tracks) < 2:
            return pairs, set()
        column_of = dict(pairs)
        unsure: set[int] = set()
        for a, b in _couples(tracks):
            if a in column_of and b in column_of:
                verdict = self._part(tracks[a], tracks[b], slot, found, column_of[a], column_of[b])
                if verdict == "exchange":
                    column_of[a], column_of[b] = column_of[b], column_of[a]
                elif verdict == "doubt":
                    unsure |= {a, b}
        self._note_meetings(tracks, slot, found, column_of)
        return sorted(column_of.items()), unsure

    def _part(
        self, one: Track, other: Track, slot: Slot, found: Detections, here: int, there: int
    ) -> str:
        """'keep', 'exchange' or 'doubt' for two tracks that met and were both found."""
        if float(overlap(found.boxes[[here]], found.boxes[[there]])[0, 0]) > _PARTED:
            return "keep"
        one.rivals.discard(other)
        other.rivals.discard(one)
        if self._describe is None or one.look is None or other.look is None:
            return "doubt"
        seen = [self._describe(slot.batch, slot.index, found.landmarks[k]) for k in (here, there)]
        kept = distance(one.look, seen[0]) + distance(other.look, seen[1])
        swapped = distance(one.look, seen[1]) + distance(other.look, seen[0])
        if abs(kept - swapped) < _CLEAR:
            return "doubt"
        return "keep" if kept < swapped else "exchange"

    def _note_meetings(
        self, tracks: Sequence[Track], slot: Slot, found: Detections, column_of: dict[int, int]
    ) -> None:
        boxes = np.array(
            [
                found.boxes[column_of[row]]
                if row in column_of
                else track.expected_box(slot.seconds)
                for row, track in enumerate(tracks)
            ]
        )
        shared, middles, size = overlap(boxes, boxes), centres(boxes), sizes(boxes)
        for a, one in enumerate(tracks):
            others = [b for b in range(len(tracks)) if b != a]
            apart = np.linalg.norm(middles[others] - middles[a], axis=1) / size[a]
            met = [b for b in others if shared[a, b] > _MET]
            for b in met:
                one.rivals.add(tracks[b])
                tracks[b].rivals.add(one)
            if a in column_of and apart.min() < _NEAR and shared[a, others].max() <= _PARTED:
                self._note_look(one, slot, found, column_of[a])

    def _note_look(self, track: Track, slot: Slot, found: Detections, column: int) -> None:
        if self._describe is not None and not track.rivals:
            track.look = self._describe(slot.batch, slot.index, found.landmarks[column])


def _couples(tracks: Sequence[Track]) -> list[tuple[int, int]]:
    """Rows of tracks that met and have not parted."""
    return [
        (a, b)
        for a in range(len(tracks))
        for b in range(a + 1, len(tracks))
        if tracks[b] in tracks[a].rivals
    ]
