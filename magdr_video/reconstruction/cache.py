"""What may be reused between the frames of a track, and until when.

Verdicts are made in rounds: up to five inspections, spread over the twelve frames that follow,
which have not gone out yet. So a verdict holds from the round's first face on, and it rests on
faces that differ. A track begins with three inspections, and ends up with five where they do not
agree; later rounds are one inspection long while it says what is known already. The next round
comes after `period` frames, then after twice and after four times as many; sooner after a round
that was not of one mind, and where the picture's noise or the crop's scale jumps. In between, the
verdict and the recipes hold. Nothing depends on the batch size. A track ends at a shot cut (the
tracker sees to that), and its entry with it.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

FIRST, REST = (0, 6, 12), (3, 9)
"""Frames of a round after its first that are inspected: those that begin it, and those that decide
it. For a track to be perturbed, the majority of five must be flagged (METHOD 10: three of five), or
`LEAST_FLAGGED` of them where the mean of the scores is above the threshold, too: faces of one track
score far apart (a protected clip -1.9 to 5.1, clean ones -4.3 to -2.4), and a clear one says more
than one that is just missed."""

LEAST_FLAGGED = 2

ROUND_REACH = 12
"""Frames after its first that a round looks at."""

GROWTH = 4
"""How many times `period` inspections of a track that does not change may come to be apart."""

DOUBT_STEP = 18
"""Frames to the next round after one that was not of one mind."""

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

SCORE_RISE = 2.5
"""Factor by which the bare crop's score may rise before the choice is made anew; it rises and falls
by 2 to 3 along a track whose perturbation is the same throughout."""


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


class Round:
    """The inspections that one verdict on a track rests on.

    Args:
        frame: of the face that is due.
        frames: of the track's faces that can be inspected; the due one is among them.
        known: the track's verdict so far; None where there is none.
    """

    def __init__(self, frame: int, frames: Collection[int], known: bool | None) -> None:
        self._known = known
        self._first = _spread(frame, frames, FIRST, ())
        self._rest = _spread(frame, frames, REST, self._first)
        self.flags: dict[int, bool] = {}
        """By frame, what the inspections said."""
        self.scores: dict[int, float] = {}
        """By frame, how far above the threshold."""

    def tell(self, frame: int, *, flagged: bool, score: float) -> None:
        """Add what an inspection said."""
        self.flags[frame], self.scores[frame] = flagged, score

    def wanted(self) -> list[int]:
        """Frames to be inspected next; none where the verdict stands."""
        if self._known is None:
            wanted = self._first
        else:
            wanted = self._first[:1]
            if self.flags and self.flags[wanted[0]] != self._known:
                wanted = self._first + (self._rest if self._known else ())
        first = [self.flags[frame] for frame in self._first if frame in self.flags]
        if not self._known and len(first) == len(self._first) and len(set(first)) > 1:
            wanted = self._first + self._rest
        return [frame for frame in wanted if frame not in self.flags]

    @property
    def perturbed(self) -> bool:
        """The verdict; a perturbed track loses it only where a whole round finds nothing."""
        flagged = sum(self.flags.values())
        if self._known:
            return flagged > 0
        is_clear = flagged >= LEAST_FLAGGED and sum(self.scores.values()) >= 0
        return is_clear or 2 * flagged > len(self.flags)

    @property
    def is_unanimous(self) -> bool:
        """False where the inspections contradict each other."""
        return len(set(self.flags.values())) == 1


def _spread(
    frame: int, frames: Collection[int], steps: Collection[int], taken: Collection[int]
) -> tuple[int, ...]:
    """For each step the last face up to it that is not taken; the first step is the face itself."""
    out: list[int] = []
    for step in steps:
        near = [f for f in frames if frame <= f <= frame + step and f not in {*taken, *out}]
        out += [max(near)] if near else []
    return tuple(out)


@dataclass
class TrackEntry:
    """The verdict on one track."""

    last_frame: int
    perturbed: bool = False
    """The track's verdict."""
    is_judged: bool = False
    """False before its first round."""
    agreed: int = 0
    """Rounds in a row that said what was known."""
    next_frame: int = 0
    """When the next round is due."""
    score: float = float("nan")
    inspected_at: int = -1
    signs: Signs = NO_SIGNS
    """At the last round's first face."""


@dataclass
class TrackCache:
    """Entries by track number.

    Args:
        period: frames between a track's first rounds.
        keep: frames after which the entry of an unseen track is dropped.
        holds: False inspects every face and lets no verdict reach beyond its own frame.
    """

    period: int
    keep: int = 250
    holds: bool = True
    hits: int = 0
    entries: dict[int, TrackEntry] = field(default_factory=dict)

    @property
    def reach(self) -> int:
        """Frames after a face that must be known for its verdict."""
        return ROUND_REACH if self.holds else 0

    def entry(self, track: int, frame: int) -> TrackEntry:
        """The track's entry, made at its first face."""
        held = self.entries.get(track)
        if held is None:
            held = self.entries[track] = TrackEntry(last_frame=frame)
        held.last_frame = max(held.last_frame, frame)
        return held

    def due(self, track: int, frame: int, signs: Signs = NO_SIGNS) -> bool:
        """True where a round begins with this face; otherwise its entry is reused (a hit)."""
        held = self.entry(track, frame)
        if not self.holds or not held.is_judged or frame >= held.next_frame:
            return True
        return frame - held.inspected_at >= JUMP_STEP and not signs.is_near(held.signs)

    def open(self, track: int, frame: int, frames: Collection[int]) -> Round:
        """A round that begins with this face.

        Args:
            frames: of the track's faces that are known, this one and later ones.
        """
        if not self.holds:
            return Round(frame, (frame,), None)
        held = self.entry(track, frame)
        near = [other for other in frames if frame <= other <= frame + ROUND_REACH]
        return Round(frame, near, held.perturbed if held.is_judged else None)

    def close(self, track: int, frame: int, judged: Round, score: float, signs: Signs) -> None:
        """Store the verdict of a round that began with this face."""
        held = self.entry(track, frame)
        is_news = not held.is_judged or judged.perturbed != held.perturbed
        held.agreed = 0 if is_news else held.agreed + 1
        held.perturbed, held.is_judged = judged.perturbed, True
        held.inspected_at, held.score, held.signs = frame, score, signs
        wait = min(self.period * 2**held.agreed, self.period * GROWTH)
        if not judged.is_unanimous:
            held.agreed, wait = 0, min(DOUBT_STEP, self.period)
        held.next_frame = frame + wait

    def reuse(self, track: int, frame: int) -> bool:
        """The verdict on a face that no round begins with; counts a hit."""
        self.hits += 1
        return self.entry(track, frame).perturbed

    def forget_before(self, frame: int) -> None:
        """Drop entries of tracks unseen for `keep` frames: memory stays bounded."""
        stale = [t for t, held in self.entries.items() if frame - held.last_frame > self.keep]
        for track in stale:
            del self.entries[track]
