from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data
from skimage.transform import resize

from magdr_video.faces.detections import Detections
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.tracker import FaceTracker
from magdr_video.types import FrameBatch
from magdr_video.video.colour import rgb_to_batch
from tests.faces.batches import make_batch

EYES = np.array([[203.5, 101.5], [246.5, 103.5]])
"""Pupils of the astronaut, read off an enlarged picture with a grid, to about a pixel; pixels of
the 512x512 original."""


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector("cpu", long_side=256)


@pytest.fixture(scope="module")
def portrait() -> NDArray[np.uint8]:
    return np.ascontiguousarray(data.astronaut())


def test_the_astronauts_face_is_found_in_frame_pixels(
    detector: FaceDetector, portrait: NDArray[np.uint8]
) -> None:
    blank = np.zeros_like(portrait)
    frames = np.stack([portrait, blank, portrait])
    batch = rgb_to_batch(frames, make_batch(3, 512, 512))
    before = detector.passes
    found = detector(batch, [0, 1, 2])
    assert [len(one) for one in found] == [1, 0, 1]
    assert detector.passes - before == 3
    assert found[0].sure[0] and found[0].scores[0] > 0.95
    assert np.abs(found[0].landmarks[0, :2] - EYES).max() < 4
    np.testing.assert_allclose(found[0].landmarks, found[2].landmarks, atol=0.5)
    x0, y0, x1, y1 = found[0].boxes[0]
    assert x0 < EYES[0, 0] < EYES[1, 0] < x1 and y0 < EYES[0, 1] < y1


def test_wide_pixels_are_undone_for_the_nets_and_redone_for_the_frame(
    detector: FaceDetector, portrait: NDArray[np.uint8]
) -> None:
    narrow = np.rint(resize(portrait, (512, 320), anti_aliasing=True) * 255).astype(np.uint8)
    batch = rgb_to_batch(narrow[None], make_batch(1, 512, 320))
    found = detector(batch, [0], 512 / 320)[0]
    assert len(found) == 1
    assert np.abs(found.landmarks[0, :2] - EYES * [320 / 512, 1]).max() < 4


def test_no_frames_and_tiny_frames_have_no_faces(detector: FaceDetector) -> None:
    assert detector(make_batch(2), []) == []
    assert [len(one) for one in detector(make_batch(2, 10, 10), [0, 1])] == [0, 0]


@pytest.mark.parametrize("aspect", [1.0, 1.6])
def test_the_last_net_alone_finds_the_landmarks_in_a_box_that_is_a_little_off(
    detector: FaceDetector, portrait: NDArray[np.uint8], aspect: float
) -> None:
    width = round(512 / aspect)
    narrow = np.rint(resize(portrait, (512, width), anti_aliasing=True) * 255).astype(np.uint8)
    batch = rgb_to_batch(np.stack([narrow * 0, narrow]), make_batch(2, 512, width))
    found = detector(batch, [1], aspect)[0]
    before = detector.passes
    off = found.boxes + np.array([6, -5, 6, -5], np.float32)
    seen = detector.refine(batch, [1, 0], np.concatenate([off, off]), aspect)
    assert detector.passes == before
    assert seen.sure.tolist() == [True, False]
    eyes = np.linalg.norm(EYES[1] - EYES[0])
    apart = (seen.landmarks[0] - found.landmarks[0]) * [aspect, 1.0]
    assert np.linalg.norm(apart, axis=1).mean() < 0.06 * eyes
    assert len(detector.refine(batch, [], np.zeros((0, 4)))) == 0


def test_what_was_scouted_is_known_and_counted_when_it_is_asked_for(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched: list[int] = []

    def search(batch: FrameBatch, frames: Sequence[int], aspect: float) -> list[Detections]:
        searched.extend(batch.first_index + index for index in frames)
        return [Detections.none() for _ in frames]

    monkeypatch.setattr(detector, "_search", search)
    batches = [make_batch(5, 8, 8, first=first, cuts=(7,)) for first in range(0, 20, 5)]
    before = detector.passes
    assert list(detector.scout(iter(batches), every=4, skip=5)) == batches
    # Every fourth of each shot; the second shot begins at 7.
    assert searched == [7, 11, 15, 19]
    assert detector.passes == before
    assert len(detector(batches[1], [1, 2, 3])) == 3
    assert searched == [7, 11, 15, 19, 6, 8]
    assert detector.passes == before + 3
    detector(batches[1], [2])
    assert searched[-1] == 7  # what was asked for is forgotten


def test_a_tracker_sees_the_same_faces_with_a_scout_ahead(
    portrait: NDArray[np.uint8],
) -> None:
    frames = np.stack([np.roll(portrait, 3 * step, axis=1) for step in range(20)])
    whole = rgb_to_batch(frames, make_batch(20, 512, 512, cuts=(13,)))
    found = []
    for is_scouted in (False, True):
        finder = FaceDetector("cpu", long_side=256)
        tracker = FaceTracker(finder, refine=finder.refine, period=8)
        every = tracker.searched_every
        ahead = finder.scout(iter([whole]), every=every) if is_scouted else iter([whole])
        found.append((next(tracker.track(ahead))[1], finder.passes))
    (plain, passes), (scouted, passes_scouted) = found
    np.testing.assert_array_equal(plain.landmarks, scouted.landmarks)
    assert passes == passes_scouted
