"""Clips that others made to be hard, where the shared data is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magdr_video.video.reader import ClipReader

EXPECTED = {
    "av1_video.mkv": (125, 640, 360, 0, 8),
    "bt601_limited_range.mp4": (60, 320, 240, 0, 8),
    "bt709_full_range.mp4": (30, 1280, 720, 0, 8),
    "discard_first_keyframe.mp4": (25, 64, 64, 0, 8),
    "h264_10bits.mp4": (30, 200, 200, 0, 10),
    "nasa_13013.mp4": (390, 480, 270, 0, 8),
    "nasa_13013_hdr.mp4": (325, 320, 180, 0, 10),
    "nasa_13013_rotated.mp4": (17, 270, 480, 90, 8),
    "test_non_zero_start.mp4": (12, 200, 112, 0, 8),
    "testsrc2_mpeg4.avi": (30, 1280, 720, 0, 8),
    "testsrc2_mpeg4.mp4": (1, 64, 64, 0, 8),
    "testsrc2_odd_height_and_width_444.mp4": (25, 321, 241, 0, 8),
    "testsrc2_odd_width_vp9.mp4": (25, 321, 240, 0, 8),
    "testsrc2_vp8.webm": (30, 1280, 720, 0, 8),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_conformance_clips_are_read_whole(name: str, data_dir: Path) -> None:
    path = data_dir / "video-conformance" / name
    if not path.exists():
        pytest.skip(f"{path} is not in this copy of the shared data")
    with ClipReader(path) as reader:
        info = reader.info
        batches = list(reader)
    count = sum(map(len, batches))
    assert (count, info.width, info.height, info.rotation, info.bits) == EXPECTED[name]
    assert np.all(np.diff(np.concatenate([b.pts for b in batches])) > 0)
