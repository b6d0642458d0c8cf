"""Which faces of a frame are edited: all, the largest, one by its place, or by its look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from magdr_video.errors import SettingsError
from magdr_video.faces.appearance import Describe
from magdr_video.faces.reference import Reference
from magdr_video.faces.track import Sighting, Slot, Track

_CLEARLY_LARGER = 1.5
_CLEARLY_CLOSER = 0.03
"""Distance by which another face must be closer to the reference than the one that was chosen."""
_LOOKS = 5
"""Sightings of a new track that are compared with the reference, where so many are known."""
_AGAIN = 25
"""Frames after which a track is compared once more: faces turn towards the camera."""

Entry = tuple[Track, Sighting]


def parse_choice(which: str) -> tuple[str, int]:
    """Read `all`, `largest`, `index:N` (N counts from 0) or the name of a picture.

    Returns:
        The word, 'picture' for a file, and the index (0 where it has no meaning).

    Raises:
        SettingsError: anything else.
    """
    word, _, number = which.partition(":")
    if word in ("all", "largest") and not number:
        return word, 0
    if word == "index" and number.isdecimal():
        return word, int(number)
    if Path(which).suffix or Path(which).is_file():
        return "picture", 0
    raise SettingsError(
        f"--face '{which}' names no face",
        hint="allowed: all, largest, index:N with N counted from 0, left to right, or a picture",
    )


@dataclass
class Likeness:
    """How close a track comes to the reference."""

    distance: float
    """The least of those measured."""
    measured: int
    """Frame of the clip that was compared last."""
    is_chosen: bool = False


class FaceChoice:
    """Keeps to the chosen face of a shot.

    `largest` stays with its face until another is clearly (1.5 times the area) larger, so that
    two faces of one size do not alternate. `index:N` takes the Nth face from the left in the
    first frame of the shot that shows so many, and stays with that track. When the track has
    ended, it chooses again only where at least as many faces are seen as at the first choice:
    with fewer, the one that is left need not be the one that was meant. A picture takes the track
    whose face comes closest to its own, if close enough.

    Args:
        which: 'all', 'largest', 'index:N' or a picture.
        reference: the face of the picture; needed for one.
        describe: how faces look; needed for a picture.
    """

    def __init__(
        self,
        which: str = "all",
        reference: Reference | None = None,
        describe: Describe | None = None,
    ) -> None:
        self._word, self._index = parse_choice(which)
        if self._word == "picture" and (reference is None or describe is None):
            raise ValueError(f"'{which}' is a picture; its face must be given as well")
        self._reference, self._describe = reference, describe
        self._shot = -1
        self._chosen: Track | None = None
        self._needed = 0
        self._likeness: dict[Track, Likeness] = {}
        self.likenesses: list[Likeness] = []
        """Of every track that was compared with a picture."""

    def choose(self, slot: Slot, faces: list[Entry], ahead: Iterable[Slot] = ()) -> list[Entry]:
        """The faces of one frame that are to be edited; frames come in order.

        Args:
            slot: the frame.
            faces: those in it.
            ahead: the frames that follow, as far as their faces are known.
        """
        if self._word == "all":
            return faces
        if slot.shot != self._shot:
            self._shot, self._chosen, self._needed = slot.shot, None, self._index + 1
            self._likeness = {}
        if faces:
            self._chosen = self._pick(slot, faces, ahead)
        return [entry for entry in faces if entry[0] is self._chosen]

    def _pick(self, slot: Slot, faces: list[Entry], ahead: Iterable[Slot]) -> Track | None:
        if self._word == "largest":
            return self._largest(faces)
        if self._word == "index":
            return self._nth(faces)
        return self._alike(slot, faces, [slot, *ahead])

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

    def _alike(self, slot: Slot, faces: list[Entry], known: Sequence[Slot]) -> Track | None:
        assert self._reference is not None
        held = {track: self._compared(slot, track, known) for track, _ in faces}
        best = min(held, key=lambda track: held[track].distance)
        chosen = self._chosen
        if chosen in held and held[chosen].distance <= held[best].distance + _CLEARLY_CLOSER:
            return chosen
        if held[best].distance > self._reference.limit:
            return chosen
        held[best].is_chosen = True
        return best

    def _compared(self, slot: Slot, track: Track, known: Sequence[Slot]) -> Likeness:
        """The track's likeness, measured on its first sightings, and again now and then."""
        held = self._likeness.get(track)
        if held is not None and slot.number - held.measured < _AGAIN:
            return held
        seen = [
            (one, sighting)
            for one in known
            for other, sighting in one.faces
            if other is track and not sighting.filled
        ]
        some = seen[:: max(1, len(seen) // _LOOKS)][:_LOOKS]
        distances = [self._distance(one, sighting) for one, sighting in some]
        if held is None:
            held = self._likeness[track] = Likeness(1.0, slot.number)
            self.likenesses.append(held)
        held.distance, held.measured = min([held.distance, *distances]), slot.number
        return held

    def _distance(self, slot: Slot, sighting: Sighting) -> float:
        assert self._describe is not None and self._reference is not None
        look = self._describe(slot.batch, slot.index, sighting.points[2:])
        return self._reference.distance_to(look)
