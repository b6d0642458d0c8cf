"""Which of the faces in a frame are edited: all, the largest, or one by its place."""

from __future__ import annotations

from magdr_video.errors import SettingsError
from magdr_video.faces.track import Sighting, Track

_CLEARLY_LARGER = 1.5

Entry = tuple[Track, Sighting]


def parse_choice(which: str) -> tuple[str, int]:
    """Read `all`, `largest` or `index:N` (N counts from 0).

    Returns:
        The word and the index (0 where it has no meaning).

    Raises:
        SettingsError: anything else.
    """
    word, _, number = which.partition(":")
    if word in ("all", "largest") and not number:
        return word, 0
    if word == "index" and number.isdigit():
        return word, int(number)
    raise SettingsError(
        f"--face '{which}' names no face",
        hint="allowed: all, largest, index:N with N counted from 0, left to right",
    )


class FaceChoice:
    """Keeps to the chosen face of a shot.

    `largest` stays with its face until another is clearly (1.5 times the area) larger, so that
    two faces of one size do not alternate. `index:N` takes the Nth face from the left in the
    first frame of the shot that shows so many, and stays with that track. When the track has
    ended, it chooses again only where at least as many faces are seen as at the first choice:
    with fewer, the one that is left need not be the one that was meant.

    Args:
        which: 'all', 'largest' or 'index:N'.
    """

    def __init__(self, which: str = "all") -> None:
        self._word, self._index = parse_choice(which)
        self._shot = -1
        self._chosen: Track | None = None
        self._needed = 0

    def choose(self, shot: int, faces: list[Entry]) -> list[Entry]:
        """The faces of one frame that are to be edited; frames come in order."""
        if self._word == "all":
            return faces
        if shot != self._shot:
            self._shot, self._chosen, self._needed = shot, None, self._index + 1
        if faces:
            chosen = self._largest(faces) if self._word == "largest" else self._nth(faces)
            self._chosen = chosen
        return [entry for entry in faces if entry[0] is self._chosen]

    def _largest(self, faces: list[Entry]) -> Track:
        biggest = max(faces, key=lambda entry: entry[1].size)
        current = [entry for entry in faces if entry[0] is self._chosen]
        if current and biggest[1].size ** 2 < _CLEARLY_LARGER * current[0][1].size ** 2:
            return current[0][0]
        return biggest[0]

    def _nth(self, faces: list[Entry]) -> Track | None:
        if any(track is self._chosen for track, _ in faces) or len(faces) < self._needed:
            return self._chosen
        self._needed = len(faces)
        return sorted(faces, key=lambda entry: float(entry[1].box[[0, 2]].sum()))[self._index][0]
