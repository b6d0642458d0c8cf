"""Clips made of one clip for the benchmark of speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magdr_video.benchmark.variants import beside_its_mirror, in_full_hd, make_variant
from magdr_video.errors import UsageError
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, make_clip


def test_a_clip_is_laid_into_full_hd_frames_at_its_own_times(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", ClipPlan(frames=5))
    made = make_variant(tmp_path / "clip.mp4", "1080p", tmp_path)
    with ClipReader(tmp_path / "clip.mp4") as before, ClipReader(made) as after:
        assert (after.info.width, after.info.height) == (1920, 1080)
        (old,), (new,) = list(before), list(after)
    assert len(new) == 5
    assert np.array_equal(
        (new.pts - new.pts[0]) * new.time_base, (old.pts - old.pts[0]) * old.time_base
    )
    top, left = (1080 - old.height) // 2, (1920 - old.width) // 2
    inside = new.planes[0][:, top : top + old.height, left : left + old.width].astype(int)
    assert np.abs(inside - old.planes[0]).mean() < 2
    assert np.abs(new.planes[0][:, : top - 16].astype(int) - 16).max() < 8
    assert np.abs(new.planes[1][:, : top // 2 - 16].astype(int) - 128).max() < 8


def test_a_second_face_is_the_mirror_image_of_the_first(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", ClipPlan(frames=3))
    with ClipReader(make_variant(tmp_path / "clip.mp4", "two-faces", tmp_path)) as reader:
        (batch,) = list(reader)
    left, right = np.split(batch.planes[0].astype(int), 2, axis=2)
    assert np.abs(left - right[:, :, ::-1]).mean() < 2


def test_every_frame_is_laid_by_the_same_rule() -> None:
    plane = np.arange(12, dtype=np.uint8).reshape(1, 3, 4)
    assert np.array_equal(in_full_hd(plane, (5, 8), 7)[0, 1:4, 2:6], plane[0])
    assert (in_full_hd(plane, (5, 8), 7)[0, 0] == 7).all()
    assert np.array_equal(beside_its_mirror(plane, (3, 8), 0)[0, :, 4:], plane[0, :, ::-1])


def test_an_unknown_variant_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="4k"):
        make_variant(tmp_path / "clip.mp4", "4k", tmp_path)
