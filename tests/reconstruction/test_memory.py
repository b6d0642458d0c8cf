"""Which choice a face is repaired with, and when a new one is made."""

from __future__ import annotations

import math

import pytest

from magdr_video.reconstruction.cache import MAX_AGE, SCALE_CHANGE, SCORE_RISE, Signs
from magdr_video.reconstruction.memory import FADE, ChoiceMemory, Use

HERE = Signs(noise=0.01, scale=1.0)
NOTHING = math.nan


def tasks(uses: list[Use]) -> int:
    return len({id(use.now) for use in uses})


def test_a_track_keeps_its_choice_and_its_reuses_are_counted() -> None:
    memory = ChoiceMemory()
    uses = [memory.use(1, frame, 5.0 if frame % 4 == 0 else NOTHING, HERE) for frame in range(20)]
    assert tasks(uses) == 1
    assert memory.hits == 19
    assert all(use.weight == 1 and use.before is None for use in uses)


def test_every_track_has_its_own() -> None:
    memory = ChoiceMemory()
    assert tasks([memory.use(track, 0, 5.0, HERE) for track in (1, 2, 1, 2)]) == 2


@pytest.mark.parametrize(
    ("frame", "score", "signs", "anew"),
    [
        (10, 5.0, HERE, False),
        (10, 5.0 * SCORE_RISE * 1.01, HERE, True),
        (10, 1.0, HERE, False),
        (10, NOTHING, Signs(0.01, SCALE_CHANGE * 1.01), True),
        (10, NOTHING, Signs(0.01, SCALE_CHANGE * 0.99), False),
        (MAX_AGE, NOTHING, HERE, True),
        (MAX_AGE - 1, NOTHING, HERE, False),
    ],
)
def test_a_choice_is_made_anew_when_the_score_jumps_the_scale_changes_or_it_is_old(
    frame: int, score: float, signs: Signs, anew: bool
) -> None:
    memory = ChoiceMemory()
    first = memory.use(1, 0, 5.0, HERE)
    assert (memory.use(1, frame, score, signs).now is not first.now) is anew


def test_a_new_choice_takes_over_within_four_frames() -> None:
    memory = ChoiceMemory()
    old = [memory.use(1, frame, 5.0, HERE).now for frame in range(10)][-1]
    uses = [memory.use(1, frame, 50.0 if frame == 10 else NOTHING, HERE) for frame in range(10, 16)]
    assert tasks(uses) == 1 and uses[0].now is not old
    assert [use.before is old for use in uses] == [True] * FADE + [False] * 2
    weights = [use.weight for use in uses]
    assert weights == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


def test_after_a_clean_stretch_nothing_old_is_faded_out() -> None:
    memory = ChoiceMemory()
    memory.use(1, 0, 5.0, HERE)
    use = memory.use(1, FADE + 1, 50.0, HERE)
    assert use.before is None and use.weight == 1


def test_without_holding_every_face_has_a_choice_of_its_own() -> None:
    memory = ChoiceMemory(holds=False)
    uses = [memory.use(1, frame, 5.0, HERE) for frame in range(5)]
    assert tasks(uses) == 5 and memory.hits == 0
    assert all(use.before is None for use in uses)


def test_tracks_long_unseen_are_forgotten() -> None:
    memory = ChoiceMemory(keep=10)
    first = memory.use(1, 0, 5.0, HERE)
    memory.forget_before(10)
    assert memory.use(1, 10, NOTHING, HERE).now is first.now
    memory.forget_before(21)
    assert memory.use(1, 21, NOTHING, HERE).now is not first.now
