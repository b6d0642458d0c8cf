"""What is reused between the frames of a track, and until when."""

from __future__ import annotations

import pytest

from magdr_video.reconstruction.cache import CLEAN_TO_CLEAR, TrackCache


def inspected(cache: TrackCache, frames: range, *, track: int = 0) -> list[int]:
    """Frames on which the track is due, each recorded as it comes."""
    seen = []
    for frame in frames:
        if cache.due(track, frame):
            seen.append(frame)
            cache.record(track, frame, perturbed=False, score=0.0)
        else:
            cache.reuse(track, frame)
    return seen


def test_a_track_is_due_at_its_first_face_and_every_period_from_there() -> None:
    assert inspected(TrackCache(4), range(7, 20)) == [7, 11, 15, 19]


def test_a_period_of_one_inspects_every_face() -> None:
    assert inspected(TrackCache(1), range(3, 8)) == [3, 4, 5, 6, 7]


def test_a_beat_that_fell_into_a_gap_is_made_up_for_at_the_next_face() -> None:
    cache = TrackCache(4)
    assert inspected(cache, range(0, 2)) == [0]
    assert inspected(cache, range(6, 12)) == [6, 8]


def test_tracks_keep_their_own_beat() -> None:
    cache = TrackCache(4)
    assert inspected(cache, range(0, 8), track=1) == [0, 4]
    assert inspected(cache, range(2, 8), track=2) == [2, 6]


def test_faces_that_reuse_are_counted() -> None:
    cache = TrackCache(4)
    inspected(cache, range(0, 10))
    assert cache.hits == 10 - 3
    assert cache.entries[0].uses == 7


@pytest.mark.parametrize(
    ("judged", "held"),
    [
        ([True], True),
        ([False], False),
        ([True, False], True),
        ([True] + [False] * CLEAN_TO_CLEAR, False),
        ([True, False, True, False], True),
        ([False, True], True),
        ([False, False, True, False], True),
    ],
)
def test_one_clean_inspection_does_not_clear_a_track_but_two_in_a_row_do(
    judged: list[bool], held: bool
) -> None:
    cache = TrackCache(1)
    for frame, perturbed in enumerate(judged):
        entry = cache.record(5, frame, perturbed=perturbed, score=float(frame))
    assert entry.perturbed is held
    assert (entry.inspected_at, entry.score) == (len(judged) - 1, len(judged) - 1)


def test_what_is_stored_does_not_depend_on_how_frames_are_grouped() -> None:
    def run(size: int) -> tuple[list[int], int, dict[int, object]]:
        cache, seen = TrackCache(3), []
        for start in range(0, 24, size):
            seen += inspected(cache, range(start, start + size))
            cache.forget_before(start)
        return seen, cache.hits, dict(cache.entries)

    assert run(4) == run(12) == run(24)


def test_a_track_long_unseen_is_forgotten_and_begins_anew() -> None:
    cache = TrackCache(4, keep=10)
    inspected(cache, range(0, 6), track=1)
    inspected(cache, range(0, 16), track=2)
    cache.forget_before(15)
    assert set(cache.entries) == {1, 2}
    cache.forget_before(16)
    assert set(cache.entries) == {2}
    assert cache.due(1, 17)
    assert cache.entry(1, 17).first_frame == 17
