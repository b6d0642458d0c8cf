"""The choices of each track: which one a face is repaired with, and when it is made anew."""

from __future__ import annotations

from dataclasses import dataclass, field

from magdr_video.reconstruction.cache import MAX_AGE, SCORE_RISE, Signs
from magdr_video.reconstruction.choice import Choice

FADE = 4
"""Frames over which a new choice takes over from the one before it (METHOD 10)."""


@dataclass
class Task:
    """A choice to be made on one face, and to be used for those that follow."""

    track: int
    frame: int
    score: float
    """S_final of the bare crop; NaN where it was not inspected."""
    signs: Signs
    choice: Choice | None = None
    """Filled in when it has been made."""

    def is_stale(self, frame: int, score: float, signs: Signs) -> bool:
        """True where a face of the same track needs a choice of its own.

        Args:
            score: S_final of the bare face, NaN where it was not inspected.
        """
        too_old = frame - self.frame >= MAX_AGE
        # A NaN score compares false: only inspected faces can tell of a rise.
        risen = score > max(self.score * SCORE_RISE, self.score + 1)
        return too_old or risen or not signs.has_scale_of(self.signs)


@dataclass(frozen=True)
class Use:
    """How one face is repaired."""

    now: Task
    before: Task | None
    """The choice that is faded out, if any."""
    weight: float
    """Share of `now` in (0, 1]."""


@dataclass
class _Held:
    task: Task
    before: Task | None
    used_at: int


@dataclass
class ChoiceMemory:
    """Choices by track.

    Args:
        keep: frames after which the choice of an unseen track is dropped.
        holds: False makes a choice for every face.
    """

    keep: int = 250
    holds: bool = True
    hits: int = 0
    _held: dict[int, _Held] = field(default_factory=dict)

    def use(self, track: int, frame: int, score: float, signs: Signs) -> Use:
        """The choice for a face; its task is a new one where what was held is stale.

        Faces of a track must come in the order of their frames.
        """
        held = self._held.get(track)
        if not self.holds:
            return Use(Task(track, frame, score, signs), None, 1.0)
        if held is None or held.task.is_stale(frame, score, signs):
            recent = held is not None and frame - held.used_at <= FADE
            before = held.task if held is not None and recent else None
            held = self._held[track] = _Held(Task(track, frame, score, signs), before, frame)
        else:
            self.hits += 1
        held.used_at = frame
        age = frame - held.task.frame
        if held.before is None or age >= FADE:
            held.before = None
            return Use(held.task, None, 1.0)
        return Use(held.task, held.before, (age + 1) / (FADE + 1))

    def forget_before(self, frame: int) -> None:
        """Drop the choices of tracks unseen for `keep` frames."""
        self._held = {t: h for t, h in self._held.items() if frame - h.used_at <= self.keep}
