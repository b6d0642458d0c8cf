from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from magdr_video.errors import SettingsError
from magdr_video.faces.detections import Detections, joined
from magdr_video.faces.tracker import FaceTracker, find_faces
from magdr_video.types import Faces, FrameBatch
from tests.faces.batches import SHAPE, make_batch, make_clip

Scene = Callable[[int], Sequence[tuple[float, float, float]]]
"""Frame number to (x, y, side) of its faces."""


class FakeDetector:
    """Sees what the scene shows; keeps a list of the frames it was asked about."""

    def __init__(self, scene: Scene, *, score: float = 0.99, noise: float = 0.0) -> None:
        self.scene, self.score, self.noise = scene, score, noise
        self.asked: list[int] = []
        self.refined = 0
        self.rng = np.random.default_rng(0)

    def __call__(self, batch: FrameBatch, frames: Sequence[int], aspect: float) -> list[Detections]:
        numbers = [batch.first_index + index for index in frames]
        self.asked += numbers
        return [self.look(number) for number in numbers]

    def refine(
        self, batch: FrameBatch, frames: Sequence[int], boxes: np.ndarray, aspect: float
    ) -> Detections:
        """The scene's face nearest to each box; no confidence where none is near."""
        self.refined += len(boxes)
        rows = []
        for index, box in zip(frames, boxes, strict=True):
            here = self.look(batch.first_index + index)
            middle, side = (box[:2] + box[2:]) / 2, box[2] - box[0]
            apart = np.linalg.norm((here.boxes[:, :2] + here.boxes[:, 2:]) / 2 - middle, axis=1)
            near = np.flatnonzero(apart < 0.4 * side)
            nearest = near[[int(np.argmin(apart[near]))]] if len(near) else []
            rows.append(here.rows(nearest) if len(nearest) else nobody(box))
        return joined(rows)

    def look(self, number: int) -> Detections:
        faces = np.array(self.scene(number), np.float32).reshape(-1, 3)
        side = faces[:, 2:]
        low = faces[:, :2] - side / 2
        marks = low[:, None] + SHAPE.astype(np.float32) * side[:, None]
        marks = marks + self.rng.normal(0, self.noise, marks.shape)
        scores = np.full(len(faces), self.score, np.float32)
        boxes = np.concatenate([low, low + side], 1)
        return Detections(boxes, marks.astype(np.float32), scores, scores >= 0.9)


def nobody(box: np.ndarray) -> Detections:
    marks = np.tile(box[:2].astype(np.float32), (1, 5, 1))
    return Detections(
        box[None].astype(np.float32), marks, np.zeros(1, np.float32), np.array([False])
    )


def followed(scene: Scene, **options: object) -> tuple[FakeDetector, FaceTracker]:
    """A tracker as runs build it: full detections now and then, single faces in between."""
    detector = FakeDetector(scene)
    return detector, FaceTracker(detector, refine=detector.refine, period=16, **options)  # type: ignore[arg-type]


def run(tracker: FaceTracker, clip: list[FrameBatch]) -> dict[int, list[tuple[int, np.ndarray]]]:
    """Frame number to its (track, landmarks); checks that every batch comes out once, in order."""
    seen: dict[int, list[tuple[int, np.ndarray]]] = {}
    came = []
    for batch, faces in tracker.track(clip):
        came.append(batch.first_index)
        for index in range(len(batch)):
            seen[batch.first_index + index] = []
        for row in range(len(faces)):
            number = batch.first_index + int(faces.frame[row])
            seen[number].append((int(faces.track[row]), faces.landmarks[row]))
    assert came == [batch.first_index for batch in clip]
    return seen


def one(x: float = 50, y: float = 50, side: float = 40) -> list[tuple[float, float, float]]:
    return [(x, y, side)]


def tracks_of(seen: dict[int, list[tuple[int, np.ndarray]]]) -> list[list[int]]:
    return [[track for track, _ in seen[number]] for number in sorted(seen)]


def test_a_still_face_is_detected_now_and_then_and_stays_still() -> None:
    detector = FakeDetector(lambda _: one())
    tracker = FaceTracker(detector)
    seen = run(tracker, make_clip(40))
    assert detector.asked == [*range(0, 40, 4), 39]
    assert tracks_of(seen) == [[0]] * 40
    marks = np.array([faces[0][1] for faces in seen.values()])
    assert np.ptp(marks, axis=0).max() == 0


def test_a_moving_face_is_followed_without_lag() -> None:
    """A head that sways by its own size within half a second and back; 1.5 % of it is allowed."""

    def scene(number: int) -> list[tuple[float, float, float]]:
        return one(x=100 + 20 * np.sin(number / 25 * 2 * np.pi))

    for period in (1, 4):
        seen = run(FaceTracker(FakeDetector(scene), period=period), make_clip(75))
        error = [abs(seen[number][0][1][2, 0] - scene(number)[0][0]) / 40 for number in range(75)]
        assert np.max(error) < 0.015


def test_fast_motion_is_detected_in_every_frame() -> None:
    detector = FakeDetector(lambda number: one(x=100 + 4 * number))
    run(FaceTracker(detector), make_clip(32))
    assert sorted(detector.asked) == list(range(32))


def test_noise_of_a_resting_face_is_smoothed() -> None:
    from magdr_video.faces.smoothing import jitter

    numbers = {}
    for name, smoothing in (("on", True), ("off", False)):
        detector = FakeDetector(lambda _: one(), noise=0.3)
        tracker = (
            FaceTracker(detector, period=1)
            if smoothing
            else FaceTracker(detector, period=1, smoothing=None)
        )
        seen = run(tracker, make_clip(75))
        numbers[name] = jitter(np.array([faces[0][1] for faces in seen.values()]))
        assert tracker.jitter == pytest.approx(numbers[name], rel=0.02)
    assert numbers["on"] < 0.5 * numbers["off"]


def test_jitter_is_not_counted_across_cuts_and_of_a_still_face_there_is_none() -> None:
    tracker = FaceTracker(FakeDetector(lambda n: one(x=50 if n < 21 else 90)))
    run(tracker, make_clip(48, cuts=(21,)))
    assert tracker.jitter == 0


def test_a_gap_inside_a_track_is_filled_from_both_sides() -> None:
    hidden = range(9, 22)
    tracker = FaceTracker(FakeDetector(lambda n: [] if n in hidden else one(x=100 + n)))
    seen = run(tracker, make_clip(48))
    assert tracks_of(seen) == [[0]] * 48
    for number in hidden:
        assert abs(seen[number][0][1][2, 0] - (100 + number)) < 1
    assert tracker.filled == len(hidden)
    assert (tracker.tracks, tracker.unfilled) == (1, 0)


def test_filled_faces_say_so() -> None:
    hidden = range(9, 22)
    detector = FakeDetector(lambda n: [] if n in hidden else one())
    flags = np.concatenate(
        [faces.filled for _, faces in find_faces(make_clip(32), detector, period=1)]
    )
    assert [number for number in range(32) if flags[number]] == list(hidden)


def test_a_gap_longer_than_the_limit_ends_the_track() -> None:
    hidden = range(20, 60)
    tracker = FaceTracker(FakeDetector(lambda n: [] if n in hidden else one()))
    seen = run(tracker, make_clip(80))
    assert tracks_of(seen) == [[0]] * 20 + [[]] * 40 + [[1]] * 20
    assert (tracker.filled, tracker.unfilled, tracker.tracks) == (0, 40, 2)


def test_the_gap_is_measured_in_time_not_in_frames() -> None:
    hidden = range(20, 60)
    slow = [make_batch(16, 8, 8, first=start, rate=50) for start in range(0, 80, 16)]
    tracker = FaceTracker(FakeDetector(lambda n: [] if n in hidden else one()))
    assert tracks_of(run(tracker, slow)) == [[0]] * 80


def test_batches_are_held_back_no_longer_than_the_look_ahead() -> None:
    held: list[int] = []
    given = 0

    def feed() -> object:
        nonlocal given
        for batch in make_clip(400):
            given = batch.first_index + len(batch)
            yield batch

    detector = FakeDetector(lambda n: one() if n < 100 else [])
    tracker = FaceTracker(detector, max_gap_seconds=100, look_ahead=40)
    for batch, _ in tracker.track(feed()):  # type: ignore[arg-type]
        held.append(given - batch.first_index)
    assert max(held) <= 40 + 3 * 16
    assert len(tracker._slots) == 0


def test_a_cut_ends_tracks_even_where_the_next_face_sits_in_the_same_place() -> None:
    for cut in (21, 32):
        seen = run(FaceTracker(FakeDetector(lambda _: one())), make_clip(48, cuts=(cut,)))
        assert tracks_of(seen) == [[0]] * cut + [[1]] * (48 - cut)


def test_no_landmark_survives_a_cut() -> None:
    seen = run(
        FaceTracker(FakeDetector(lambda n: one(x=50 if n < 21 else 54))),
        make_clip(48, cuts=(21,)),
    )
    assert all(seen[n][0][1][2, 0] == 50 for n in range(21))
    assert all(seen[n][0][1][2, 0] == 54 for n in range(21, 48))


def test_two_faces_that_cross_do_not_swap() -> None:
    def scene(number: int) -> list[tuple[float, float, float]]:
        return [(40 + 3 * number, 50, 40), (220 - 3 * number, 80, 40)]

    seen = run(FaceTracker(FakeDetector(scene)), make_clip(60))
    for number, faces in seen.items():
        places = [(x, y) for x, y, _ in scene(number)]
        for track, marks in faces:
            here = marks[:, :].mean(0)
            apart = [np.hypot(here[0] - x, here[1] - y) for x, y in places]
            owner = int(np.argmin(apart))
            if number < 20:
                assert track == owner
            assert track not in (0, 1) or track == owner


def test_two_faces_in_one_place_end_both_tracks_rather_than_guess() -> None:
    def scene(number: int) -> list[tuple[float, float, float]]:
        if number < 20:
            return [(40, 50, 40), (64, 50, 40)]
        return [(52, 50, 40)]

    seen = run(FaceTracker(FakeDetector(scene)), make_clip(40))
    assert {track for track, _ in seen[30]}.isdisjoint({0, 1})


def test_a_face_seen_once_among_frames_without_it_is_a_false_alarm() -> None:
    tracker = FaceTracker(FakeDetector(lambda n: one() if n == 8 else []))
    assert tracks_of(run(tracker, make_clip(32))) == [[]] * 32
    assert tracker.tracks == 0


def test_a_clip_of_one_frame_gives_its_face() -> None:
    assert tracks_of(run(FaceTracker(FakeDetector(lambda _: one())), make_clip(1))) == [[0]]


def test_a_weak_detection_continues_a_track_but_begins_none() -> None:
    weak = FakeDetector(lambda _: one(), score=0.7)
    assert tracks_of(run(FaceTracker(weak), make_clip(16))) == [[]] * 16

    class Fading(FakeDetector):
        def look(self, number: int) -> Detections:
            self.score = 0.99 if number < 8 else 0.7
            return super().look(number)

    assert tracks_of(run(FaceTracker(Fading(lambda _: one())), make_clip(16))) == [[0]] * 16


def test_index_counts_left_to_right_at_the_start_of_a_shot() -> None:
    def scene(number: int) -> list[tuple[float, float, float]]:
        return [(150, 50, 40), (50, 50, 30)]

    for which, x in (("index:0", 50), ("index:1", 150), ("largest", 150)):
        seen = run(FaceTracker(FakeDetector(scene), which=which), make_clip(20))
        assert all(abs(faces[0][1][2, 0] - x) < 1 for faces in seen.values())
        assert all(len(faces) == 1 for faces in seen.values())
    assert all(
        not faces
        for faces in run(FaceTracker(FakeDetector(scene), which="index:2"), make_clip(8)).values()
    )


def test_the_chosen_face_is_not_replaced_by_the_one_that_stays() -> None:
    def scene(number: int) -> list[tuple[float, float, float]]:
        left = [(50.0, 50.0, 40.0)] if number < 20 else []
        return [(150, 50, 40), *left]

    seen = run(FaceTracker(FakeDetector(scene), which="index:0"), make_clip(80))
    assert all(len(seen[n]) == 1 for n in range(20))
    assert all(not seen[n] for n in range(20, 80))


def test_the_largest_face_does_not_alternate_between_two_of_one_size() -> None:
    def scene(number: int) -> list[tuple[float, float, float]]:
        wobble = 2 * (-1) ** (number // 4)
        return [(50, 50, 40 + wobble), (150, 50, 40 - wobble)]

    seen = run(FaceTracker(FakeDetector(scene), which="largest"), make_clip(40))
    assert len({faces[0][0] for faces in seen.values()}) == 1


def test_faces_below_the_limit_are_left_out_and_counted() -> None:
    tracker = FaceTracker(FakeDetector(lambda _: one(side=12)), min_size=24)
    assert tracks_of(run(tracker, make_clip(10))) == [[]] * 10
    assert (tracker.small, tracker.tracks) == (10, 0)


@pytest.mark.parametrize("which", ["second", "index:", "index:-1", "largest:2", "all:1"])
def test_a_wrong_choice_of_face_is_refused(which: str) -> None:
    with pytest.raises(SettingsError, match="names no face"):
        FaceTracker(FakeDetector(lambda _: []), which=which)


def test_a_clip_without_faces_passes() -> None:
    faces = [faces for _, faces in find_faces(make_clip(20), FakeDetector(lambda _: []))]
    assert [len(value) for value in faces] == [0, 0]
    assert isinstance(faces[0], Faces)
    assert list(find_faces([], FakeDetector(lambda _: []))) == []


def test_wrong_landmarks_on_one_frame_do_not_spread_to_the_frames_before_it() -> None:
    """The box is right and the score is high, as MTCNN does it when something crosses the face."""

    class Mistaken(FakeDetector):
        def look(self, number: int) -> Detections:
            found = super().look(number)
            if number == 8:
                found.landmarks[:, 2:, 1] -= 8
            return found

    seen = run(FaceTracker(Mistaken(lambda _: one())), make_clip(24))
    right = FakeDetector(lambda _: one()).look(0).landmarks[0]
    errors = [float(np.abs(seen[number][0][1] - right).max()) / 40 for number in range(24)]
    assert max(errors[:8]) == 0
    assert max(errors[12:]) < 0.02


def test_known_faces_are_looked_at_alone_between_full_detections() -> None:
    detector, tracker = followed(lambda n: one(x=100 + 10 * np.sin(n / 25 * 2 * np.pi)))
    seen = run(tracker, make_clip(75))
    assert detector.asked == [0, 16, 32, 48, 64]
    assert tracks_of(seen) == [[0]] * 75
    truth = [100 + 10 * np.sin(n / 25 * 2 * np.pi) for n in range(75)]
    assert max(abs(seen[n][0][1][2, 0] - truth[n]) for n in range(75)) / 40 < 0.015


def test_fast_motion_is_followed_without_a_full_detection() -> None:
    detector, tracker = followed(lambda n: one(x=100 + 3 * n))
    seen = run(tracker, make_clip(48))
    assert detector.asked == [0, 16, 32]
    assert max(abs(seen[n][0][1][2, 0] - (100 + 3 * n)) for n in range(48)) / 40 < 0.015


def test_a_face_that_a_full_detection_finds_is_traced_back_to_its_first_frame() -> None:
    detector, tracker = followed(lambda n: one() if n >= 21 else [])
    seen = run(tracker, make_clip(64))
    assert tracks_of(seen) == [[]] * 21 + [[0]] * 43
    assert detector.asked == [0, 16, 32, 48]


def test_a_known_face_that_is_not_seen_brings_a_full_detection() -> None:
    detector, tracker = followed(lambda n: one() if n < 22 else [])
    seen = run(tracker, make_clip(64))
    assert tracks_of(seen) == [[0]] * 22 + [[]] * 42
    assert detector.asked == [0, 16, 24, 32, 48]


def test_a_face_that_jumps_away_is_found_by_a_full_detection() -> None:
    detector, tracker = followed(lambda n: one(x=50 if n < 24 else 150))
    seen = run(tracker, make_clip(48))
    assert detector.asked == [0, 16, 24, 32]
    assert all(abs(seen[n][0][1][2, 0] - (50 if n < 24 else 150)) < 0.01 for n in range(48))


def test_two_looks_that_end_at_one_face_bring_a_full_detection() -> None:
    detector, tracker = followed(lambda n: [(40, 50, 40), (100 - min(n, 11) * 5, 50, 40)])
    run(tracker, make_clip(16))
    assert len(detector.asked) > 1


def test_what_is_followed_does_not_depend_on_the_batch_size() -> None:
    def scene(number: int) -> list[tuple[float, float, float]]:
        late = [(150.0, 50.0, 40.0)] if 21 <= number < 50 else []
        return [(50 + number, 50, 40), *late]

    seen = [run(followed(scene)[1], make_clip(80, size=size)) for size in (5, 16, 80)]
    for other in seen[1:]:
        assert tracks_of(other) == tracks_of(seen[0])
        for number in range(80):
            for (_, a), (_, b) in zip(seen[0][number], other[number], strict=True):
                np.testing.assert_allclose(a, b, atol=1e-3)


def test_full_detections_are_few_and_batches_wait_for_the_next_one_only() -> None:
    given, held = 0, []

    def feed() -> object:
        nonlocal given
        for batch in make_clip(400):
            given = batch.first_index + len(batch)
            yield batch

    detector, tracker = followed(lambda _: one())
    for batch, _ in tracker.track(feed()):  # type: ignore[arg-type]
        held.append(given - batch.first_index)
    assert len(detector.asked) / 400 <= 0.1
    assert max(held) <= 2 * 16


def test_what_full_detections_see_differently_is_added_in_between() -> None:
    class Shifted(FakeDetector):
        def refine(self, *given: object) -> Detections:
            seen = super().refine(*given)  # type: ignore[arg-type]
            seen.landmarks[:] += 2
            return seen

    detector = Shifted(lambda _: one())
    tracker = FaceTracker(detector, refine=detector.refine, period=16, smoothing=None)
    seen = run(tracker, make_clip(16))
    assert seen[8][0][1][2, 0] - seen[0][0][1][2, 0] == pytest.approx(1.0, abs=0.01)
