"""The plan: counts follow the number of faces, and a quick run is small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magdr_video.benchmark.plan import Plan, quick
from magdr_video.errors import SettingsError

PLAN = Plan(data=Path(), out=Path())


def test_held_out_counts_are_bounded_by_the_faces_and_training_ones_are_not() -> None:
    few = replace(PLAN, faces=3)
    assert few.count("side_faces") == few.count("slow_faces") == few.count("adaptive_faces") == 3
    assert few.fitting_faces == PLAN.fitting_faces


def test_a_quick_run_is_small_in_every_respect() -> None:
    small = quick(PLAN)
    assert small.quick
    counts = [name for name in small.described() if name.endswith("_faces")]
    assert "fitting_faces" in counts
    for name in ("faces", *counts, "steps", "cw_steps", "search_budget"):
        assert getattr(small, name) <= getattr(PLAN, name), name


def test_fewer_faces_than_a_count_are_all_taken() -> None:
    assert Plan(data=Path(), out=Path(), faces=3).count("side_faces") == 3


def test_one_face_is_too_few() -> None:
    with pytest.raises(SettingsError, match="faces = 1"):
        Plan(data=Path(), out=Path(), faces=1)


def test_the_description_names_no_folder_of_this_machine() -> None:
    assert {"data", "out"}.isdisjoint(PLAN.described())
