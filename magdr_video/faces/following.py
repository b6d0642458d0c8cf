"""Faces between full detections, looked at one by one where they are expected.

A full detection searches the whole frame; where the faces of a frame nearby are known, the last of
its nets alone tells whether they are still there, and where exactly. Its landmarks depend on the
box it is given, by two per cent of the eye distance between the boxes of the nets before it and its
own. So it looks at the faces of each full detection as well, and half of what the two differ by is
added to all that follows until the next one; the other half is noise of this one frame (error on a
small moving face: 3.7 % with all of it, 3.3 % with none, 2.9 % with half).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from magdr_video.faces.detections import Detections, RefineFaces, joined
from magdr_video.faces.matching import assign, centres, costs, overlap
from magdr_video.faces.motion import KeyFrame
from magdr_video.faces.track import Slot

_REACH = 0.8
"""Of the face's size: motion between two frames that are looked at, at most."""

_SAME = 0.4
"""Overlap from which two looks saw one face."""

_LOST = 0.6
"""Confidence below which a face that was sure is no longer seen."""

_TRUST = 0.5
"""Share of the difference that is added."""

_LARGEST_OFFSET = 0.1
"""Of the square's side; beyond, the two did not look at the same thing."""


@dataclass(frozen=True)
class Expected:
    """A face that should be in a frame."""

    slot: Slot
    box: NDArray[np.float64]
    """(4,) where, in frame pixels."""
    offset: NDArray[np.float64]
    """(7, 2), see `Detections.offsets`."""


class Follower:
    """Looks where faces are expected.

    Args:
        refine: `FaceDetector.refine`, or anything that is called like it.
        aspect: width of a pixel over its height.
    """

    def __init__(self, refine: RefineFaces, aspect: float) -> None:
        self._refine, self._aspect = refine, aspect

    def measure(self, slot: Slot) -> None:
        """Give the faces of a full detection their offsets."""
        found = slot.found
        assert found is not None
        nothing = np.zeros((7, 2))
        seen = self.look([Expected(slot, box, nothing) for box in found.boxes.astype(np.float64)])
        apart = (_points(found) - _points(seen)) / _sides(found.boxes)[:, None, None]
        is_same = np.abs(apart).max(axis=(1, 2), initial=0) < _LARGEST_OFFSET
        slot.found = replace(found, offsets=_TRUST * apart * is_same[:, None, None])

    def look(self, expected: Sequence[Expected]) -> Detections:
        """What is seen at each place, in one pass a batch; rows as given."""
        if not expected:
            return replace(Detections.none(), offsets=np.zeros((0, 7, 2)))
        parts: list[tuple[int, Detections]] = []
        for rows in _by_batch(expected):
            slots = [expected[row].slot for row in rows]
            boxes = np.array([expected[row].box for row in rows])
            seen = self._refine(slots[0].batch, [slot.index for slot in slots], boxes, self._aspect)
            offsets = np.array([expected[row].offset for row in rows])
            points = _points(seen) + offsets * _sides(boxes)[:, None, None]
            held = Detections(
                points[:, :2].reshape(-1, 4).astype(np.float32),
                points[:, 2:].astype(np.float32),
                seen.scores,
                seen.sure,
                offsets,
            )
            parts += [(row, held.rows([place])) for place, row in enumerate(rows)]
        return joined([part for _, part in sorted(parts, key=lambda pair: pair[0])])

    def follow(self, before: KeyFrame | None, last: KeyFrame, slot: Slot) -> Detections | None:
        """The faces of `last` in a later frame; None where a full detection should look.

        Args:
            before: the frame looked at before `last`, for the motion.
        """
        seen = self.look(_expected(slot, _led_to(before, last, slot), last.found))
        is_seen = seen.scores >= _LOST
        if bool((last.found.sure & ~is_seen).any()) or _has_twins(seen.boxes[is_seen]):
            return None
        return seen.rows(np.flatnonzero(is_seen).tolist())

    def trace_back(self, later: Slot, earlier: Iterable[Slot]) -> None:
        """Look for the faces that are new in `later` in the frames before it, as far as they go.

        Args:
            earlier: frames that were looked at, the latest first; they gain the faces.
        """
        found = later.found
        assert found is not None
        rows: list[int] | None = None
        for slot in earlier:
            held = slot.found
            assert held is not None
            pairs = assign(costs(found.boxes, held.boxes, np.full(len(found), _REACH)))
            known = {row for row, _ in pairs}
            new = [r for r in range(len(found)) if found.sure[r] and r not in known]
            rows = new if rows is None else [r for r in range(len(found)) if r in new]
            if not rows:
                return
            gone = found.rows(rows)
            seen = self.look(_expected(slot, gone.boxes.astype(np.float64), gone))
            kept = _not_in(seen, held)
            if not kept:
                return
            found = seen.rows(kept)
            slot.found = joined([held, found])

    def look_between(self, a: KeyFrame, b: KeyFrame, slots: Sequence[Slot]) -> None:
        """Look at the faces of two frames in those between them, all in one pass."""
        expected: list[Expected] = []
        for slot in slots:
            share = (slot.number - a.number) / (b.number - a.number)
            expected += _expected_between(a.found, b.found, slot, share)
        seen = self.look(expected)
        for slot in slots:
            rows = [row for row, one in enumerate(expected) if one.slot is slot]
            held = seen.rows([row for row in rows if seen.sure[row]])
            slot.found = held.rows(_apart(held))


def _points(found: Detections) -> NDArray[np.float64]:
    """(D, 7, 2): the boxes' corners, then the landmarks."""
    held = np.concatenate([found.boxes.reshape(-1, 2, 2), found.landmarks], axis=1)
    return held.astype(np.float64)


def _sides(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(D,) sides of the squares around boxes."""
    return np.asarray(np.maximum((boxes[:, 2:] - boxes[:, :2]).max(-1), 1.0), np.float64)


def _by_batch(expected: Sequence[Expected]) -> Iterable[list[int]]:
    groups: dict[int, list[int]] = {}
    for row, one in enumerate(expected):
        groups.setdefault(id(one.slot.batch), []).append(row)
    return groups.values()


def _offsets(found: Detections) -> NDArray[np.float64]:
    return np.zeros((len(found), 7, 2)) if found.offsets is None else found.offsets


def _expected(slot: Slot, boxes: NDArray[np.float64], of: Detections) -> list[Expected]:
    return [Expected(slot, *pair) for pair in zip(boxes, _offsets(of), strict=True)]


def _led_to(before: KeyFrame | None, last: KeyFrame, slot: Slot) -> NDArray[np.float64]:
    """(D, 4) boxes of `last` moved on as they moved before."""
    boxes = last.found.boxes.astype(np.float64)
    if before is None or before.shot != last.shot or last.seconds <= before.seconds:
        return boxes
    ahead = min(float((slot.seconds - last.seconds) / (last.seconds - before.seconds)), 1.0)
    reach = np.full(len(before.found), _REACH)
    old, new = centres(before.found.boxes), centres(boxes)
    for there, here in assign(costs(before.found.boxes, boxes, reach)):
        boxes[here] += np.tile((new[here] - old[there]) * ahead, 2)
    return boxes


def _expected_between(a: Detections, b: Detections, slot: Slot, share: float) -> list[Expected]:
    """Faces of both on a straight line, those of one alone where it has them."""
    pairs = assign(costs(a.boxes, b.boxes, np.full(len(a), _REACH)))
    from_a, from_b = a.boxes.astype(np.float64), b.boxes.astype(np.float64)
    before, after = _offsets(a), _offsets(b)
    out = [
        Expected(
            slot,
            from_a[i] + share * (from_b[j] - from_a[i]),
            before[i] + share * (after[j] - before[i]),
        )
        for i, j in pairs
    ]
    of_a, of_b = {i for i, _ in pairs}, {j for _, j in pairs}
    out += [Expected(slot, from_a[i], before[i]) for i in range(len(a)) if i not in of_a]
    return out + [Expected(slot, from_b[j], after[j]) for j in range(len(b)) if j not in of_b]


def _has_twins(boxes: NDArray[np.floating]) -> bool:
    shared = overlap(boxes, boxes)
    np.fill_diagonal(shared, 0.0)
    return bool((shared > _SAME).any())


def _not_in(seen: Detections, held: Detections) -> list[int]:
    """Rows that are sure, and no face of `held`."""
    shared = overlap(seen.boxes, held.boxes).max(axis=1, initial=0.0)
    return [row for row in range(len(seen)) if seen.sure[row] and shared[row] < _SAME]


def _apart(found: Detections) -> list[int]:
    """Rows without those that overlap a surer one."""
    kept: list[int] = []
    for row in np.argsort(-found.scores, kind="stable"):
        shared = overlap(found.boxes[[row]], found.boxes[kept])
        if not kept or shared.max() < _SAME:
            kept.append(int(row))
    return sorted(kept)
