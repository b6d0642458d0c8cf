"""What is reused between the frames of a track, and until when."""

from __future__ import annotations

import itertools

import pytest

from magdr_video.reconstruction.cache import (
    EARLY,
    JUMP_STEP,
    LEAST_NOISE,
    NOISE_JUMP,
    OFF_FRAMES,
    OFF_STEP,
    SCALE_CHANGE,
    Signs,
    TrackCache,
)

QUIET = Signs(noise=0.01, scale=1.0)


def inspected(
    cache: TrackCache,
    frames: range,
    *,
    track: int = 0,
    flagged: frozenset[int] = frozenset(),
    signs: dict[int, Signs] | None = None,
) -> list[int]:
    """Frames on which the track is due, each recorded as it comes."""
    seen = []
    for frame in frames:
        now = (signs or {}).get(frame, QUIET)
        if cache.due(track, frame, now):
            seen.append(frame)
            cache.record(track, frame, flagged=frame in flagged, score=0.0, signs=now)
        else:
            cache.reuse(track, frame)
    return seen


def test_a_track_is_due_at_its_first_face_and_every_period_from_there() -> None:
    assert inspected(TrackCache(4), range(7, 20)) == [7, 11, 15, 19]


def test_without_holding_every_face_is_due_and_judged_by_itself() -> None:
    cache = TrackCache(4, holds=False)
    assert inspected(cache, range(3, 8)) == [3, 4, 5, 6, 7]
    verdicts = [cache.record(0, f, flagged=f % 2 == 0, score=0.0) for f in range(8, 14)]
    assert verdicts == [True, False] * 3
    assert not cache.entries[0].perturbed


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


def test_a_flagged_face_brings_inspections_of_the_next_frames_until_three_of_five_agree() -> None:
    cache = TrackCache(20)
    seen = inspected(cache, range(0, 30), flagged=frozenset({20, 22, 23}))
    assert seen == [0, 5, 10, 20, 21, 22, 23]
    assert cache.entries[0].perturbed


def test_a_miss_at_a_tracks_start_is_made_up_for_within_its_first_frames() -> None:
    cache = TrackCache(30)
    inspected(cache, range(0, 12), flagged=frozenset(range(1, 12)))
    assert cache.entries[0].perturbed


def test_a_perturbed_track_is_not_inspected_early() -> None:
    seen = inspected(TrackCache(30), range(0, 40), flagged=frozenset(range(40)))
    assert seen == [0, 1, 2, 30]


def test_three_clean_faces_of_five_end_the_doubt() -> None:
    cache = TrackCache(20)
    seen = inspected(cache, range(0, 30), flagged=frozenset({0, 2}))
    assert seen == [0, 1, 2, 3, 4, 5, 10, 20]
    assert not cache.entries[0].perturbed


def test_a_flagged_face_of_a_clean_track_is_perturbed_and_its_clean_neighbours_are_not() -> None:
    cache = TrackCache(20)
    assert cache.record(0, 0, flagged=True, score=9.0)
    assert not cache.record(0, 1, flagged=False, score=0.0)
    assert not cache.record(0, 2, flagged=False, score=0.0)
    assert not cache.record(0, 3, flagged=False, score=0.0)
    assert not cache.reuse(0, 4)


@pytest.mark.parametrize("period", [1, 4, 12, 25])
def test_a_perturbed_track_is_clean_after_twelve_clean_frames_whatever_the_period(
    period: int,
) -> None:
    cache = TrackCache(period)
    inspected(cache, range(0, 3), flagged=frozenset({0, 1, 2}))
    assert cache.entries[0].perturbed
    verdicts = []
    for frame in range(3, 60):
        if cache.due(0, frame, QUIET):
            verdicts.append(cache.record(0, frame, flagged=False, score=0.0, signs=QUIET))
        else:
            verdicts.append(cache.reuse(0, frame))
    first = 3 if period == 1 else period
    last = 3 + verdicts.index(False)
    assert first + OFF_FRAMES - 1 <= last < first + OFF_FRAMES + OFF_STEP
    assert not any(verdicts[last - 3 :])


def test_one_flagged_face_among_the_clean_ones_keeps_the_track_perturbed() -> None:
    cache = TrackCache(1)
    inspected(cache, range(0, 3), flagged=frozenset({0, 1, 2}))
    inspected(cache, range(3, 25), flagged=frozenset({13}))
    assert cache.entries[0].perturbed
    inspected(cache, range(25, 26))
    assert not cache.entries[0].perturbed


def test_a_jump_of_the_noise_or_of_the_scale_asks_for_an_inspection_before_the_beat() -> None:
    loud = Signs(QUIET.noise * NOISE_JUMP * 1.01, 1.0)
    near = Signs(QUIET.noise, SCALE_CHANGE * 1.01)
    for jumped in (loud, near):
        signs = {frame: jumped for frame in range(32, 60)}
        seen = inspected(TrackCache(25), range(0, 60), signs=signs)
        assert seen == [0, *EARLY, 25, 32, 50]


def test_small_changes_and_changes_below_one_level_ask_for_nothing() -> None:
    signs = {frame: Signs(QUIET.noise * 1.5, SCALE_CHANGE * 0.99) for frame in range(5, 20)}
    assert inspected(TrackCache(20), range(0, 20), signs=signs) == [0, 5, 10]
    assert Signs(1e-5, 1.0).is_near(Signs(LEAST_NOISE, 1.0))


def test_jumps_ask_no_more_often_than_every_few_frames() -> None:
    signs = {frame: Signs(0.01 if frame % 2 else 0.1, 1.0) for frame in range(21, 70)}
    seen = inspected(TrackCache(100), range(0, 70), signs=signs)[len(EARLY) :]
    assert len(seen) > 3
    assert min(b - a for a, b in itertools.pairwise(seen)) >= JUMP_STEP


def test_what_is_stored_does_not_depend_on_how_frames_are_grouped() -> None:
    def run(size: int) -> tuple[list[int], int, dict[int, object]]:
        cache, seen = TrackCache(3), []
        for start in range(0, 24, size):
            seen += inspected(cache, range(start, start + size), flagged=frozenset({6, 7}))
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
