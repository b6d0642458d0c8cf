"""Two faces that meet: each keeps its own track, or both end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from magdr_video.faces.appearance import Look, describer
from magdr_video.faces.detections import Detections
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.matching import overlap
from magdr_video.faces.tracker import FaceTracker
from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import rgb_to_batch
from tests.faces.batches import make_clip
from tests.faces.test_tracker import FakeDetector, run

SIDE = 40.0
Paths = Callable[[int], NDArray[np.float64]]
"""Frame number to the centres (2, 2) of two faces."""


def meeting(kind: str, speed: float, lower: float) -> Paths:
    """Two faces that meet in frame 30 and pass each other, turn back, or stay for a while."""

    def where(number: int) -> NDArray[np.float64]:
        away = float(number - 30)
        if kind == "turn back":
            away = -abs(away) - 0.4
        elif kind == "stay and turn back":
            away = -max(0.0, abs(away) - 8) - 1
        return np.array([[160 + speed * away, 60], [160 - speed * away, 60 + lower]])

    return where


class Covering(FakeDetector):
    """The first face hides the second where they overlap by more than `hides`."""

    def __init__(self, where: Paths, hides: float) -> None:
        super().__init__(lambda _: [])
        self.where, self.hides = where, hides

    def look(self, number: int) -> Detections:
        middles = self.where(number)
        boxes = np.concatenate([middles - SIDE / 2, middles + SIDE / 2], 1)
        hidden = overlap(boxes[:1], boxes[1:])[0, 0] > self.hides
        shown = [(x, y, SIDE) for x, y in (middles[:1] if hidden else middles)]
        self.scene = lambda _: shown
        return super().look(number)


def looks(where: Paths, *, alike: bool = False) -> Callable[..., Look]:
    """A different look for each of the two, told by where the landmarks are."""

    def describe(batch: FrameBatch, index: int, landmarks: NDArray[np.floating]) -> Look:
        middles = where(batch.first_index + index)
        owner = np.linalg.norm(middles - landmarks.mean(0), axis=1).argmin()
        look = np.array([1.0, 0, 1] if owner and not alike else [0, 1.0, 1], np.float32)
        return look / np.linalg.norm(look)

    return describe


def owners(tracker: FaceTracker, where: Paths) -> dict[int, set[int]]:
    """Which of the two each track was on, in frames in which they are apart."""
    held: dict[int, set[int]] = {}
    for number, faces in run(tracker, make_clip(60)).items():
        middles = where(number)
        if np.linalg.norm(middles[0] - middles[1]) < 1.2 * SIDE:
            continue
        for track, marks in faces:
            owner = int(np.linalg.norm(middles - marks.mean(0), axis=1).argmin())
            held.setdefault(track, set()).add(owner)
    return held


MEETINGS = [
    (kind, speed, lower, hides)
    for kind in ("pass", "turn back", "stay and turn back")
    for speed, lower in ((2.0, 8.0), (4.8, 4.0))
    for hides in (0.3, 0.95)
]


@pytest.mark.parametrize(("kind", "speed", "lower", "hides"), MEETINGS)
def test_a_track_never_changes_the_person(
    kind: str, speed: float, lower: float, hides: float
) -> None:
    where = meeting(kind, speed, lower)
    blind = owners(FaceTracker(Covering(where, hides)), where)
    assert all(len(people) == 1 for people in blind.values())
    seeing = owners(FaceTracker(Covering(where, hides), describe=looks(where)), where)
    assert all(len(people) == 1 for people in seeing.values())


def test_looks_carry_both_tracks_through_a_meeting_that_blindness_ends() -> None:
    where = meeting("turn back", 4.8, 4)
    tracker = FaceTracker(Covering(where, 0.95), describe=looks(where))
    assert owners(tracker, where) == {0: {0}, 1: {1}}
    assert tracker.tracks == 2
    for describe in (None, looks(where, alike=True)):
        unsure = FaceTracker(Covering(where, 0.95), describe=describe)
        assert owners(unsure, where) == {0: {0}, 1: {1}, 2: {0}, 3: {1}}


def test_faces_that_never_meet_are_never_described() -> None:
    def refuse(*_: object) -> Look:
        raise AssertionError("nobody is near")

    apart = meeting("pass", 0.0, 0.0)

    def where(number: int) -> NDArray[np.float64]:
        return apart(number) + np.array([[0, 0], [120, 0]])

    assert owners(FaceTracker(Covering(where, 0.3), describe=refuse), where) == {0: {0}, 1: {1}}


@pytest.mark.slow
@pytest.mark.parametrize("turn", [False, True])
def test_two_real_faces_that_meet_keep_their_tracks(data_dir: Path, turn: bool) -> None:
    """Synthetic faces of two people move across each other before a plain wall."""
    people = [
        np.asarray(Image.open(data_dir / "omi" / "images" / f"{name}.jpg").resize((120, 120)))
        for name in ("1", "100")
    ]
    frames = np.full((48, 160, 360, 3), 128, np.uint8)
    middle = np.zeros((48, 2))
    for number, frame in enumerate(frames):
        away = 4 * (number - 24)
        away = -abs(away) if turn else away
        for who, (face, sign) in enumerate(zip(people, (1, -1), strict=True)):
            x = int(180 + sign * away)
            middle[number, who] = x
            frame[20:140, x - 60 : x + 60] = face
    info = ClipInfo.synthetic(360, 160, 25)
    batches = [
        rgb_to_batch(frames[start : start + 16], info, first_index=start) for start in (0, 16, 32)
    ]
    tracker = FaceTracker(FaceDetector(min_face=28), describe=describer("cpu", 1.0))
    held: dict[int, set[int]] = {}
    for batch, faces in tracker.track(batches):
        for row in range(len(faces)):
            x = middle[batch.first_index + int(faces.frame[row])]
            if abs(x[0] - x[1]) > 110:
                owner = int(np.abs(x - faces.landmarks[row, :, 0].mean()).argmin())
                held.setdefault(int(faces.track[row]), set()).add(owner)
    assert {who for people in held.values() for who in people} == {0, 1}
    assert all(len(people) == 1 for people in held.values())
