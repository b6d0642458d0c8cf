"""Faces of successive frames become tracks: detect now and then, look both ways, end at cuts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from magdr_video.faces.appearance import Describe
from magdr_video.faces.detections import DetectFaces, Detections, RefineFaces
from magdr_video.faces.following import Follower
from magdr_video.faces.matching import assign, costs, doubtful
from magdr_video.faces.motion import KeyFrame, uneven_stretches
from magdr_video.faces.reference import Reference
from magdr_video.faces.rivals import Rivals
from magdr_video.faces.selection import Entry, FaceChoice, Likeness
from magdr_video.faces.smoothing import JitterMeter, Smoothing
from magdr_video.faces.track import Sighting, Slot, Track
from magdr_video.types import Faces, FrameBatch

STRIDE = 4
"""Frames between looks at the faces that are known."""


class FaceTracker:
    """Finds the faces of a clip, batch by batch, with a bounded look-ahead.

    Key frames are every fourth of a shot, its first and its last. Full detection searches every
    `period`-th frame of a shot, and a key frame where a known face is no longer seen for sure; at
    the other key frames the known faces are looked at where they are expected (`following`), and
    faces that a full detection finds are traced back. Where the faces of two key frames match one
    to one and moved little and evenly, the frames between are interpolated; otherwise they are
    looked at as well (`motion`). A face that is missed is looked for until `max_gap_seconds` have
    passed; found again, the gap is filled from both sides. A batch is held back until all its
    faces are known: usually one batch, at most `look_ahead` frames and a batch.

    Args:
        detect: `FaceDetector`, or anything that is called like it.
        refine: `FaceDetector.refine`, or anything that is called like it; without it, every look
            is a full detection, and key frames are `period` frames apart.
        period: frames between full detections; 1 is the reference.
        max_gap_seconds: longest gap that is filled inside a track.
        which: 'all', 'largest', 'index:N' or a picture (see `FaceChoice`).
        aspect: width of a pixel over its height.
        min_size: faces of a smaller box (square root of the area, frame pixels) are left out.
        smoothing: the landmark filter; None leaves landmarks as detected.
        look_ahead: most frames that a gap may hold back, whatever their duration.
        describe: how a face looks; tells faces apart that met (`Rivals`).
        reference: the face of the picture that `which` names.

    Raises:
        SettingsError: `which` names no face.
    """

    def __init__(
        self,
        detect: DetectFaces,
        *,
        refine: RefineFaces | None = None,
        period: int = 4,
        max_gap_seconds: float = 1.0,
        which: str = "all",
        aspect: float = 1.0,
        min_size: float = 0.0,
        smoothing: Smoothing | None = Smoothing(),  # noqa: B008 (frozen)
        look_ahead: int = 64,
        describe: Describe | None = None,
        reference: Reference | None = None,
    ) -> None:
        self.tracks = 0
        """Tracks that gave at least one face."""
        self.filled = 0
        """Face-frames inside gaps: the detector looked and saw nothing, both sides did."""
        self.unfilled = 0
        """Frames without any face between frames of the same shot that have one."""
        self.reference = reference
        """The face of the picture that was named, if one was."""
        self.small = 0
        """Face-frames left out because the face is smaller than `min_size`."""
        self._detect, self._period, self._aspect = detect, max(1, period), aspect
        self._stride = min(STRIDE, self._period) if refine else self._period
        self._follower = Follower(refine, aspect) if refine and self._period > STRIDE else None
        self._max_gap = Fraction(max_gap_seconds)
        self._min_size, self._smoothing, self._look_ahead = min_size, smoothing, look_ahead
        self._jitter = JitterMeter()
        # Held here as well, so that whoever keeps the tracker's memory sees what it only uses.
        self._describe = describe
        self._choice = FaceChoice(which, reference, describe)
        self._rivals = Rivals(describe)
        self._slots: deque[Slot] = deque()
        self._active: list[Track] = []
        self._trail: list[KeyFrame] = []
        self._linked = -1
        self._next, self._shot, self._shot_start = 0, -1, 0
        self._empty, self._empty_shot = 0, -1

    @property
    def aspect(self) -> float:
        """Width of a pixel over its height."""
        return self._aspect

    @property
    def searched_every(self) -> int:
        """Frames of a shot from one search of a whole frame to the next, if all goes well."""
        return self._stride if self._follower is None else self._period

    @property
    def jitter(self) -> float:
        """Mean second difference of the landmarks given out, over the eye distance."""
        return self._jitter.value

    @property
    def likenesses(self) -> list[Likeness]:
        """How close each track came to the picture that was named."""
        return self._choice.likenesses

    def track(self, batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
        """Give back each batch with its faces, in order; every batch once, faces or not."""
        held: deque[FrameBatch] = deque()
        for batch in batches:
            held.append(batch)
            self._admit(batch)
            self._advance(closing=False)
            while held and self._is_settled(held[0]):
                yield self._release(held.popleft())
        self._advance(closing=True)
        self._active = []
        while held:
            yield self._release(held.popleft())

    def _admit(self, batch: FrameBatch) -> None:
        if batch.first_index < self._next:
            # A run goes on from where another stopped: its slots wait for their pictures.
            for slot in self._slots:
                if 0 <= slot.number - batch.first_index < len(batch):
                    slot.batch = batch
            return
        for index in range(len(batch)):
            if batch.cut[index] or self._next == 0:
                self._shot, self._shot_start = self._shot + 1, self._next
            seconds = int(batch.pts[index]) * batch.time_base
            place = self._next - self._shot_start
            self._slots.append(Slot(batch, index, self._next, seconds, self._shot, place))
            self._next += 1

    def _advance(self, *, closing: bool) -> None:
        """Look at the key frames, look closer where they disagree, and link what was seen."""
        fresh = [slot for slot in self._slots if slot.number > self._linked]
        slots = self._key_frames(fresh, closing)
        if self._follower is None:
            self._search(slots)
        else:
            self._watch(slots, self._follower)
            if not closing:
                # What lies behind the last full detection may yet gain the faces of the next.
                while slots and not slots[-1].is_searched:
                    slots.pop()
        keys = [_key(slot) for slot in slots]
        trail = self._trail + keys
        last = keys[-1].number if keys else self._linked
        for a, b in uneven_stretches(trail):
            between = [slot for slot in fresh if a.number < slot.number < b.number]
            if self._follower is None:
                self._search(between)
            else:
                self._follower.look_between(a, b, between)
        self._trail = trail[-2:]
        for slot in fresh:
            if slot.found is not None and slot.number <= last:
                self._link(slot, slot.found)

    def _watch(self, slots: list[Slot], follower: Follower) -> None:
        """Search key frames in full at the period, and follow known faces to the others."""
        seen = list(self._trail)
        fresh = {slot.number for slot in slots if slot.found is None}
        self._search([slot for slot in slots if slot.place % self._period == 0])
        for place, slot in enumerate(slots):
            if slot.found is None:
                here = [key for key in seen[-2:] if key.shot == slot.shot]
                slot.found = follower.follow(_before(here), here[-1], slot) if here else None
                self._search([slot])
            if slot.is_searched and slot.number in fresh:
                follower.measure(slot)
                earlier = [held for held in slots[:place] if held.shot == slot.shot]
                follower.trace_back(slot, reversed(earlier))
            seen.append(_key(slot))

    def _key_frames(self, slots: list[Slot], closing: bool) -> list[Slot]:
        """First and last frames of shots, and every `period`-th; `slots` end the known clip."""
        closes = [following.place == 0 for following in slots[1:]] + [closing]
        return [
            slot
            for slot, is_last in zip(slots, closes, strict=False)
            if is_last or slot.place % self._stride == 0
        ]

    def _search(self, slots: list[Slot]) -> None:
        """Detect on slots; one call for each batch they lie in."""
        by_batch: dict[int, list[Slot]] = {}
        for slot in slots:
            if slot.found is None:
                by_batch.setdefault(id(slot.batch), []).append(slot)
        for group in by_batch.values():
            found = self._detect(group[0].batch, [slot.index for slot in group], self._aspect)
            for slot, detections in zip(group, found, strict=True):
                slot.found, slot.is_searched = detections, True

    def _link(self, slot: Slot, found: Detections) -> None:
        if slot.place == 0:
            self._active = []
        self._linked = slot.number
        pairs, unsure = self._match(slot, found)
        pairs, parted = self._rivals.settle(self._active, slot, found, pairs)
        unsure |= parted
        followed: dict[int, int] = {}
        for row, column in pairs:
            if row not in unsure:
                followed[row] = column
                self._extend(self._active[row], slot, Sighting.of(found, column))
        for row, track in enumerate(self._active):
            track.misses += row not in followed
        self._active = [
            track
            for row, track in enumerate(self._active)
            if row not in unsure and not self._is_over(track, slot)
        ]
        # a doubted detection begins a track even when it is weak: it has been a face before
        doubted = {column for row, column in pairs if row in unsure}
        for column in range(len(found)):
            is_taken = column in followed.values()
            if column in doubted or (found.sure[column] and not is_taken):
                self._active.append(Track(slot, Sighting.of(found, column), self._smoothing))

    def _match(self, slot: Slot, found: Detections) -> tuple[list[tuple[int, int]], set[int]]:
        """(active track, detection) pairs, and the active tracks that must end for doubt."""
        expected = np.array([track.expected_box(slot.seconds) for track in self._active])
        reach = np.array([track.reach(slot.seconds) for track in self._active])
        cost = costs(expected.reshape(-1, 4), found.boxes, reach)
        pairs = assign(cost)
        return pairs, doubtful(cost, pairs)

    def _extend(self, track: Track, slot: Slot, sighting: Sighting) -> None:
        between = [s for s in self._slots if track.last_number < s.number < slot.number]
        if any(middle.found is not None for middle in between):
            self.filled += len(between)
        track.extend(between, slot, sighting)

    def _is_over(self, track: Track, slot: Slot) -> bool:
        return (
            slot.seconds - track.last_seconds > self._max_gap
            or slot.number - track.last_number > self._look_ahead
        )

    def _is_settled(self, batch: FrameBatch) -> bool:
        """True when no later frame can add a face to the batch, or take one away."""
        last = self._slots[len(batch) - 1].number
        if self._linked <= last:
            return False
        begun = [track for track in self._active if track.first_number <= last]
        return all(track.last_number >= last for track in begun)

    def _release(self, batch: FrameBatch) -> tuple[FrameBatch, Faces]:
        rows: list[tuple[int, Track, Sighting]] = []
        for _ in range(len(batch)):
            slot = self._slots.popleft()
            faces = [entry for entry in slot.faces if not entry[0].is_false_alarm]
            self._count_empty(slot.shot, bool(faces))
            chosen = self._choice.choose(slot, self._large_enough(faces), self._slots)
            for track, sighting in chosen:
                if track.id is None:
                    track.id, self.tracks = self.tracks, self.tracks + 1
                rows.append((slot.index, track, sighting))
            self._jitter.frame({track.id or 0: seen.points[2:] for track, seen in chosen})
        return batch, _flat(rows)

    def _large_enough(self, faces: list[Entry]) -> list[Entry]:
        kept = [entry for entry in faces if entry[1].size >= self._min_size]
        self.small += len(faces) - len(kept)
        return kept

    def _count_empty(self, shot: int, has_face: bool) -> None:
        if shot != self._empty_shot:
            self._empty, self._empty_shot = -1, shot
        if has_face:
            self.unfilled += max(self._empty, 0)
            self._empty = 0
        elif self._empty >= 0:
            self._empty += 1


def _key(slot: Slot) -> KeyFrame:
    assert slot.found is not None
    return KeyFrame(slot.number, slot.shot, slot.seconds, slot.found)


def _before(seen: list[KeyFrame]) -> KeyFrame | None:
    return seen[0] if len(seen) == 2 else None


def find_faces(
    batches: Iterable[FrameBatch],
    detector: DetectFaces,
    *,
    period: int = 4,
    max_gap_seconds: float = 1.0,
    which: str = "all",
    aspect: float = 1.0,
) -> Iterator[tuple[FrameBatch, Faces]]:
    """Track the faces of a clip: `FaceTracker.track` for callers who need no counters."""
    tracker = FaceTracker(
        detector, period=period, max_gap_seconds=max_gap_seconds, which=which, aspect=aspect
    )
    return tracker.track(batches)


def _flat(rows: list[tuple[int, Track, Sighting]]) -> Faces:
    if not rows:
        return Faces.none()
    points = np.array([sighting.points for _, _, sighting in rows], np.float32)
    return Faces(
        frame=np.array([frame for frame, _, _ in rows], np.int64),
        boxes=points[:, :2].reshape(-1, 4),
        landmarks=points[:, 2:],
        scores=np.array([sighting.score for _, _, sighting in rows], np.float32),
        track=np.array([track.id for _, track, _ in rows], np.int64),
        filled=np.array([sighting.filled for _, _, sighting in rows], np.bool_),
    )
