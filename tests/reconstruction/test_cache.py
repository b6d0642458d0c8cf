"""What is reused between the frames of a track, and until when."""

from __future__ import annotations

import itertools

import pytest

from magdr_video.reconstruction.cache import (
    DOUBT_STEP,
    GROWTH,
    JUMP_STEP,
    LEAST_NOISE,
    NOISE_JUMP,
    SCALE_CHANGE,
    Round,
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
    """Frames on which rounds begin; each round is played as the track comes to it."""
    begun = []
    for frame in frames:
        now = (signs or {}).get(frame, QUIET)
        if cache.due(track, frame, now):
            begun.append(frame)
            judged = cache.open(track, frame, frames)
            play(judged, flagged)
            cache.close(track, frame, judged, 0.0, now)
        else:
            cache.reuse(track, frame)
    return begun


def play(judged: Round, flagged: frozenset[int]) -> list[int]:
    """Answer a round; returns the frames that it asked for, in order."""
    asked: list[int] = []
    while wanted := judged.wanted():
        assert not set(wanted) & set(asked)
        asked += wanted
        for frame in wanted:
            judged.tell(frame, flagged=frame in flagged, score=1.0 if frame in flagged else -3.0)
    return asked


def a_round(flagged: set[int], known: bool | None, last: int = 40) -> tuple[list[int], bool]:
    judged = Round(5, range(5, last), known)
    return play(judged, frozenset(flagged)), judged.perturbed


def test_a_track_begins_with_three_inspections_where_they_agree() -> None:
    assert a_round(set(), None) == ([5, 11, 17], False)
    assert a_round({5, 11, 17}, None) == ([5, 11, 17], True)


@pytest.mark.parametrize(
    ("flagged", "verdict"),
    [({17}, False), ({11, 17}, False), ({11, 17, 14}, True), ({5, 8}, False)],
)
def test_where_they_do_not_agree_three_of_five_decide(flagged: set[int], verdict: bool) -> None:
    assert a_round(flagged, None) == ([5, 11, 17, 8, 14], verdict)


def test_two_clear_faces_of_five_do_where_the_others_are_just_missed() -> None:
    for near, clear, verdict in ((-0.5, 4.0, True), (-3.5, 4.0, False)):
        judged = Round(0, range(20), None)
        while wanted := judged.wanted():
            for frame in wanted:
                is_clear = frame in (0, 12)
                judged.tell(frame, flagged=is_clear, score=clear if is_clear else near)
        assert judged.perturbed is verdict
    alone = Round(0, range(20), None)
    for frame in (0, 3, 6, 9, 12):
        alone.tell(frame, flagged=frame == 0, score=9.0 if frame == 0 else -0.1)
    assert not alone.perturbed


def test_later_rounds_end_with_the_first_inspection_that_says_what_is_known() -> None:
    assert a_round({11, 17}, False) == ([5], False)
    assert a_round({5}, True) == ([5], True)


def test_a_flagged_face_of_a_clean_track_brings_the_rest_of_the_round() -> None:
    assert a_round({5, 11, 17}, False) == ([5, 11, 17], True)
    assert a_round({5}, False) == ([5, 11, 17, 8, 14], False)


def test_a_perturbed_track_is_clean_only_where_a_whole_round_finds_nothing() -> None:
    assert a_round(set(), True) == ([5, 11, 17, 8, 14], False)
    for late in (8, 11, 14, 17):
        assert a_round({late}, True)[1]


def test_a_track_that_ends_early_is_judged_by_the_faces_it_has() -> None:
    assert a_round({5}, None, last=6) == ([5], True)
    assert a_round({5, 7}, None, last=9) == ([5, 8, 7, 6], False)
    assert a_round({5, 6, 7}, None, last=9)[1]


def test_rounds_come_apart_twice_as_far_each_time_up_to_a_limit() -> None:
    begun = inspected(TrackCache(10), range(7, 200))
    assert begun == [7, 17, 37, 77, 117, 157, 197]
    assert 10 * GROWTH == 40


def test_a_change_of_the_verdict_brings_the_next_round_after_one_period() -> None:
    cache = TrackCache(20)
    begun = inspected(cache, range(0, 180), flagged=frozenset(range(60, 180)))
    assert begun == [0, 20, 60, 80, 120]
    assert cache.entries[0].perturbed


def test_a_round_that_is_not_of_one_mind_brings_the_next_one_soon() -> None:
    cache = TrackCache(30)
    assert inspected(cache, range(0, 40), flagged=frozenset({6})) == [0, DOUBT_STEP]
    assert not cache.entries[0].perturbed


def test_without_holding_every_face_is_due_and_judged_by_itself() -> None:
    cache = TrackCache(4, holds=False)
    assert cache.reach == 0
    assert inspected(cache, range(3, 8)) == [3, 4, 5, 6, 7]
    for frame in range(8, 14):
        inspected(cache, range(frame, frame + 1), flagged=frozenset(range(8, 14, 2)))
        assert cache.entries[0].perturbed is (frame % 2 == 0)


def test_a_round_that_fell_into_a_gap_is_made_up_for_at_the_next_face() -> None:
    cache = TrackCache(4)
    assert inspected(cache, range(0, 2)) == [0]
    assert inspected(cache, range(6, 12)) == [6]


def test_tracks_keep_their_own_beat() -> None:
    cache = TrackCache(4)
    assert inspected(cache, range(0, 8), track=1) == [0, 4]
    assert inspected(cache, range(2, 8), track=2) == [2, 6]


def test_faces_that_reuse_are_counted() -> None:
    cache = TrackCache(4)
    inspected(cache, range(0, 10))
    assert cache.hits == 10 - 2


def test_a_jump_of_the_noise_or_of_the_scale_asks_for_a_round_before_its_time() -> None:
    loud = Signs(QUIET.noise * NOISE_JUMP * 1.01, 1.0)
    near = Signs(QUIET.noise, SCALE_CHANGE * 1.01)
    for jumped in (loud, near):
        signs = {frame: jumped for frame in range(32, 60)}
        assert inspected(TrackCache(25), range(0, 60), signs=signs) == [0, 25, 32]


def test_small_changes_and_changes_below_one_level_ask_for_nothing() -> None:
    signs = {frame: Signs(QUIET.noise * 1.5, SCALE_CHANGE * 0.99) for frame in range(5, 20)}
    assert inspected(TrackCache(20), range(0, 20), signs=signs) == [0]
    assert Signs(1e-5, 1.0).is_near(Signs(LEAST_NOISE, 1.0))


def test_jumps_ask_no_more_often_than_every_few_frames() -> None:
    signs = {frame: Signs(0.01 if frame % 2 else 0.1, 1.0) for frame in range(21, 70)}
    seen = inspected(TrackCache(100), range(0, 70), signs=signs)
    assert len(seen) > 3
    assert min(b - a for a, b in itertools.pairwise(seen)) >= JUMP_STEP


def test_of_250_clean_or_perturbed_frames_few_are_inspected() -> None:
    for flagged in (frozenset[int](), frozenset(range(250))):
        asked = []
        cache = TrackCache(30)
        for frame in range(250):
            if cache.due(0, frame, QUIET):
                judged = cache.open(0, frame, range(frame, 250))
                asked += play(judged, flagged)
                cache.close(0, frame, judged, 0.0, QUIET)
        assert asked == [0, 6, 12, 30, 90, 210]


def test_a_track_long_unseen_is_forgotten_and_begins_anew() -> None:
    cache = TrackCache(4, keep=10)
    inspected(cache, range(0, 6), track=1)
    inspected(cache, range(0, 16), track=2)
    cache.forget_before(15)
    assert set(cache.entries) == {1, 2}
    cache.forget_before(16)
    assert set(cache.entries) == {2}
    assert cache.due(1, 17)
    assert not cache.entry(1, 17).is_judged
