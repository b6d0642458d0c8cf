"""What may be reused between the frames of a track, and until when.

A track's first face is inspected, then one every `period` frames counted from the track's first
frame, so that results do not depend on the batch size; more often in its first second and while a
verdict is in doubt, at once where the picture's noise or the crop's scale jumps. In between, the
verdict and the recipes hold. A track ends at a shot cut (the tracker sees to that), and its entry
with it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

ON_WINDOW, ON_FLAGS = 5, 3
"""A track is perturbed after 3 flagged inspections of 5 (METHOD 10); the first flagged one is
followed by inspections of the next frames, so that this takes no more than 5 frames."""

EARLY = (5, 10, 20)
"""Frames after a track's first on which it is inspected as well while it looks clean: a single
miss at its start would otherwise leave a whole period undefended."""

OFF_FRAMES = 12
"""A perturbed track is clean after clean inspections over this many frames (METHOD 10)."""

OFF_STEP = 6
"""Frames between inspections while a perturbed track looks clean."""

NOISE_JUMP = 1.6
"""Factor by which the estimated noise may change before the verdict is no longer trusted."""

LEAST_NOISE = 0.004
"""Noise in [0, 1] below which changes do not count: one level of 255."""

JUMP_STEP = 6
"""Frames that must pass between inspections that a jump asks for."""

SCALE_CHANGE = 1.25
"""Factor by which the crop's scale may change (METHOD 6.4)."""

MAX_AGE = 250
"""Frames after which a choice is made anew."""

SCORE_RISE = 1.5
"""Factor by which the bare crop's score may rise before the choice is made anew."""


@dataclass(frozen=True)
class Signs:
    """What costs no generator pass and tells whether a face is still what it was."""

    noise: float
    """Estimated standard deviation of the crop's noise, in units of [0, 1]."""
    scale: float
    """Crop pixels a frame pixel."""

    def is_near(self, other: Signs) -> bool:
        """True where neither jumped."""
        return self.has_scale_of(other) and self._has_noise_of(other)

    def has_scale_of(self, other: Signs) -> bool:
        """True where the scale changed by no more than `SCALE_CHANGE`."""
        return _ratio(self.scale, other.scale) <= SCALE_CHANGE

    def _has_noise_of(self, other: Signs) -> bool:
        ours, theirs = max(self.noise, LEAST_NOISE), max(other.noise, LEAST_NOISE)
        return _ratio(ours, theirs) <= NOISE_JUMP


def _ratio(a: float, b: float) -> float:
    return max(a / b, b / a) if a > 0 and b > 0 else math.inf


NO_SIGNS = Signs(noise=LEAST_NOISE, scale=1.0)


@dataclass
class TrackEntry:
    """The verdict on one track."""

    first_frame: int
    last_frame: int
    perturbed: bool = False
    """The track's verdict."""
    flagged: bool = False
    """The last inspection's own verdict."""
    recent: deque[bool] = field(default_factory=lambda: deque(maxlen=ON_WINDOW))
    """Inspections since the first flagged one; empty while nothing is in doubt."""
    clean_since: int = -1
    """Frame of the first of the clean inspections in a row of a perturbed track; -1 for none."""
    score: float = float("nan")
    inspected_at: int = -1
    signs: Signs = NO_SIGNS
    """At the last inspection."""
    uses: int = 0

    @property
    def in_doubt(self) -> bool:
        """A clean track was flagged and the next frames will tell."""
        return bool(self.recent) and not self.perturbed


@dataclass
class TrackCache:
    """Entries by track number.

    Args:
        period: frames between inspections.
        keep: frames after which the entry of an unseen track is dropped.
        holds: False inspects every face and lets no verdict reach beyond its own frame.
    """

    period: int
    keep: int = 250
    holds: bool = True
    hits: int = 0
    entries: dict[int, TrackEntry] = field(default_factory=dict)

    def entry(self, track: int, frame: int) -> TrackEntry:
        """The track's entry, made at its first face."""
        held = self.entries.get(track)
        if held is None:
            held = self.entries[track] = TrackEntry(first_frame=frame, last_frame=frame)
        held.last_frame = max(held.last_frame, frame)
        return held

    def is_on_beat(self, track: int, frame: int) -> bool:
        """True where the face is inspected whatever came before it."""
        return not self.holds or (frame - self.entry(track, frame).first_frame) % self.period == 0

    def due(self, track: int, frame: int, signs: Signs = NO_SIGNS) -> bool:
        """True where the face must be inspected; otherwise its entry is reused (a hit)."""
        if self.is_on_beat(track, frame):
            return True
        held = self.entry(track, frame)
        since = frame - held.inspected_at
        if held.inspected_at < 0 or since >= self.period or held.in_doubt:
            return True
        age = frame - held.first_frame
        if not held.perturbed and age in EARLY and age < self.period:
            return True
        if held.clean_since >= 0 and since >= min(OFF_STEP, self.period):
            return True
        return since >= JUMP_STEP and not signs.is_near(held.signs)

    def record(
        self, track: int, frame: int, *, flagged: bool, score: float, signs: Signs = NO_SIGNS
    ) -> bool:
        """Store an inspection's outcome with hysteresis; returns the verdict on this face.

        A flagged face is perturbed whatever the track is; so is any face of a perturbed track.
        """
        held = self.entry(track, frame)
        held.inspected_at, held.score, held.signs, held.flagged = frame, score, signs, flagged
        if not self.holds:
            held.perturbed = flagged
        elif held.perturbed:
            _judge_perturbed(held, frame, flagged)
        else:
            _judge_clean(held, flagged)
        return held.perturbed or flagged

    def reuse(self, track: int, frame: int) -> bool:
        """The verdict on a face that is not inspected; counts a hit."""
        held = self.entry(track, frame)
        held.uses += 1
        self.hits += 1
        return held.perturbed

    def forget_before(self, frame: int) -> None:
        """Drop entries of tracks unseen for `keep` frames: memory stays bounded."""
        stale = [t for t, held in self.entries.items() if frame - held.last_frame > self.keep]
        for track in stale:
            del self.entries[track]


def _judge_perturbed(held: TrackEntry, frame: int, flagged: bool) -> None:
    if flagged:
        held.clean_since = -1
        return
    if held.clean_since < 0:
        held.clean_since = frame
    if frame - held.clean_since >= OFF_FRAMES - 1:
        held.perturbed, held.clean_since = False, -1
        held.recent.clear()


def _judge_clean(held: TrackEntry, flagged: bool) -> None:
    if not flagged and not held.recent:
        return
    held.recent.append(flagged)
    if sum(held.recent) >= ON_FLAGS:
        held.perturbed = True
    elif len(held.recent) - sum(held.recent) > ON_WINDOW - ON_FLAGS:
        held.recent.clear()
