"""What may be reused between the frames of a track, and until when.

A track's first face is inspected, then one every `period` frames counted from the track's first
frame, so that results do not depend on the batch size. In between, the verdict and the recipes
hold. A track ends at a shot cut (the tracker sees to that), and its entry with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from magdr_video.types import Recipe

CLEAN_TO_CLEAR = 2
"""Consecutive clean inspections that clear a track found to be perturbed (hysteresis)."""


@dataclass
class TrackEntry:
    """What is held of one track."""

    first_frame: int
    last_frame: int
    perturbed: bool = False
    clean_in_row: int = 0
    recipes: tuple[Recipe, ...] = ()
    accepted: bool = False
    """The recipes lowered the score when they were last checked."""
    score: float = float("nan")
    inspected_at: int = -1
    uses: int = 0


@dataclass
class TrackCache:
    """Entries by track number.

    Args:
        period: frames between inspections; 1 inspects every face (no reuse).
        keep: frames after which the entry of an unseen track is dropped.
    """

    period: int
    keep: int = 250
    hits: int = 0
    entries: dict[int, TrackEntry] = field(default_factory=dict)

    def entry(self, track: int, frame: int) -> TrackEntry:
        """The track's entry, made at its first face."""
        held = self.entries.get(track)
        if held is None:
            held = self.entries[track] = TrackEntry(first_frame=frame, last_frame=frame)
        held.last_frame = frame
        return held

    def due(self, track: int, frame: int) -> bool:
        """True where the face must be inspected; otherwise its entry is reused (a hit)."""
        held = self.entries.get(track)
        if held is None or held.inspected_at < 0:
            return True
        if (frame - held.first_frame) % self.period == 0:
            return True
        return frame - held.inspected_at >= self.period

    def record(self, track: int, frame: int, *, perturbed: bool, score: float) -> TrackEntry:
        """Store an inspection's outcome with hysteresis; returns the entry."""
        held = self.entry(track, frame)
        held.inspected_at, held.score = frame, score
        if perturbed:
            held.perturbed, held.clean_in_row = True, 0
        else:
            held.clean_in_row += 1
            if held.clean_in_row >= CLEAN_TO_CLEAR or not held.perturbed:
                held.perturbed = False
        return held

    def reuse(self, track: int, frame: int) -> TrackEntry:
        """The entry of a face that is not inspected; counts a hit."""
        held = self.entry(track, frame)
        held.uses += 1
        self.hits += 1
        return held

    def forget_before(self, frame: int) -> None:
        """Drop entries of tracks unseen for `keep` frames: memory stays bounded."""
        stale = [t for t, held in self.entries.items() if frame - held.last_frame > self.keep]
        for track in stale:
            del self.entries[track]
