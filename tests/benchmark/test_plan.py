"""The plan: counts follow the number of faces, and a quick run is small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magdr_video.benchmark.plan import Plan, counts, for_gpu, quick, with_counts
from magdr_video.errors import SettingsError, UsageError

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


def test_any_count_can_be_given_by_name() -> None:
    plan = with_counts(PLAN, ["adaptive_steps=100", "fitting_faces = 32"])
    assert (plan.adaptive_steps, plan.fitting_faces) == (100, 32)
    assert replace(PLAN, adaptive_steps=100, fitting_faces=32) == plan


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("adaptive_step=3", SettingsError, "adaptive_step"),
        ("epsilon=1", SettingsError, "epsilon"),
        ("adaptive_steps", UsageError, "adaptive_steps"),
        ("steps=many", UsageError, "steps=many"),
        ("purifier_faces=1", SettingsError, "purifier_faces = 1"),
    ],
)
def test_a_count_that_there_is_not_is_refused(text: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        with_counts(PLAN, [text])


def test_a_gpu_has_whole_trainings_and_no_count_below_a_cpus() -> None:
    large = for_gpu(PLAN)
    assert large.baseline_share == 1.0
    assert all(getattr(large, name) >= getattr(PLAN, name) for name in counts())


def test_detectors_that_are_skipped_are_left_out_and_no_others(tmp_path: Path) -> None:
    plan = Plan(data=tmp_path, out=tmp_path, skipped=("otd",))
    assert plan.kept(["metzen", "otd", "magnet"]) == ["metzen", "magnet"]
    assert plan.described()["skipped"] == ("otd",)
