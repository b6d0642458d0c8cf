"""The plan: counts follow the number of faces, and a quick run is small."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.benchmark.plan import COUNTS, Plan, quick, with_faces
from magdr_video.errors import SettingsError

PLAN = Plan(data=Path(), out=Path())


def test_other_numbers_of_faces_keep_the_proportions() -> None:
    half = with_faces(PLAN, PLAN.faces // 2)
    assert half.side_faces == PLAN.side_faces // 2
    assert with_faces(PLAN, PLAN.faces) == PLAN


def test_no_count_falls_below_two() -> None:
    least = with_faces(PLAN, 2)
    assert min(getattr(least, name) for name in COUNTS) == 2


def test_a_quick_run_is_small_in_every_respect() -> None:
    small = quick(PLAN)
    assert small.quick
    for name in ("faces", *COUNTS, "steps", "cw_steps", "search_budget"):
        assert getattr(small, name) <= getattr(PLAN, name), name


def test_fewer_faces_than_a_count_are_all_taken() -> None:
    assert Plan(data=Path(), out=Path(), faces=3).count("side_faces") == 3


def test_one_face_is_too_few() -> None:
    with pytest.raises(SettingsError, match="faces = 1"):
        Plan(data=Path(), out=Path(), faces=1)


def test_the_description_names_no_folder_of_this_machine() -> None:
    assert {"data", "out"}.isdisjoint(PLAN.described())
