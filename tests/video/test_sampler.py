"""Frames by index: the right ones, upright, in the clip's own colours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from magdr_video.errors import InputError
from magdr_video.video import sampler
from magdr_video.video.colour import batch_to_rgb
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, make_clip

CASES = {
    "decord's case": (ClipPlan(frames=20, matrix=6), ".mp4"),
    "BT.709": (ClipPlan(frames=20, matrix=1), ".mp4"),
    "full range": (ClipPlan(frames=20, matrix=6, full_range=True), ".mp4"),
    "turned": (ClipPlan(frames=20, matrix=6, rotation=90), ".mp4"),
    "10 bits": (ClipPlan(frames=20, matrix=6, pixel_format="yuv420p10le"), ".mp4"),
    "Matroska": (ClipPlan(frames=20, matrix=6, time_base=Fraction(1, 1000)), ".mkv"),
}


def all_frames(path: Path) -> np.ndarray:
    with ClipReader(path) as reader:
        return np.concatenate([batch_to_rgb(b, b.height, b.width) for b in reader])


@pytest.mark.parametrize("name", CASES)
def test_frames_asked_for_by_index_are_those_frames(name: str, tmp_path: Path) -> None:
    plan, suffix = CASES[name]
    path = tmp_path / f"a{suffix}"
    make_clip(path, plan)
    frames = all_frames(path)
    wanted = [13, 0, 19, 13]
    got = sampler.sample_frames(path, wanted)
    for index, picture in zip(wanted, got, strict=True):
        errors = np.abs(frames.astype(int) - picture).mean((1, 2, 3))
        assert errors.argmin() == index
        assert errors[index] < 4.0


def test_a_count_is_spread_over_the_clip(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=20, matrix=1))
    assert sampler.spread(4, 20) == [2, 7, 12, 17]
    assert sampler.spread(5, 2) == [0, 0, 1, 1, 1]
    got = sampler.sample_frames(tmp_path / "a.mp4", 4)
    np.testing.assert_array_equal(got, all_frames(tmp_path / "a.mp4")[[2, 7, 12, 17]])


def test_without_decord_the_same_frames_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=10, matrix=6))
    monkeypatch.setattr(sampler, "_by_decord", lambda path, which: None)
    got = sampler.sample_frames(tmp_path / "a.mp4", [3, 9])
    np.testing.assert_array_equal(got, all_frames(tmp_path / "a.mp4")[[3, 9]])


def test_an_index_beyond_the_end_names_the_last_frame(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=10, matrix=6))
    with pytest.raises(InputError, match="its last is 9"):
        sampler.sample_frames(tmp_path / "a.mp4", [10])


@pytest.mark.parametrize("which", [0, [-1]])
def test_impossible_requests_are_refused(which: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        sampler.sample_frames(tmp_path / "a.mp4", which)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["decord's case", "Matroska"])
def test_a_random_sample_has_each_frame_once_under_its_own_index(name: str, tmp_path: Path) -> None:
    plan, suffix = CASES[name]
    path = tmp_path / f"a{suffix}"
    make_clip(path, plan)
    frames = all_frames(path)
    drawn = sampler.sample_at_random(path, 7, seed=3)
    indices = [batch.first_index for batch in drawn]
    assert indices == sorted(set(indices)) and len(indices) == 7
    assert indices != list(range(7))
    for batch in drawn:
        assert len(batch) == 1 and batch.cut.all()
        shown = batch_to_rgb(batch, batch.height, batch.width)[0].astype(int)
        errors = np.abs(shown - frames).mean(axis=(1, 2, 3))
        assert errors.argmin() == batch.first_index
        assert errors.min() < 4  # decord's RGB, clipped where the test picture is out of gamut
    assert [b.first_index for b in sampler.sample_at_random(path, 7, seed=3)] == indices
    assert [b.first_index for b in sampler.sample_at_random(path, 7, seed=4)] != indices
    assert len(sampler.sample_at_random(path, 99)) == 20
