"""Clips written: frames in are frames out, at their times, in their colours, with all streams."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.encoder import fitting_format
from magdr_video.video.reader import probe
from magdr_video.video.writer import ClipWriter
from tests.clips import ClipPlan, make_clip, vfr_times
from tests.video.copying import EXACT, MILLI, copy, whole

CASES = {
    "variable rate": ClipPlan(pts=vfr_times(60)),
    "start that is not zero": ClipPlan(pts=vfr_times(12, start=54321)),
    "milliseconds": ClipPlan(time_base=MILLI),
    "B-frames": ClipPlan(frames=30, options={"qp": "0", "bf": "3", "preset": "fast"}),
    "4:2:2": ClipPlan(pixel_format="yuv422p"),
    "4:4:4": ClipPlan(pixel_format="yuv444p"),
    "odd 4:4:4": ClipPlan(pixel_format="yuv444p", width=63, height=65),
    "10 bits": ClipPlan(pixel_format="yuv420p10le"),
    "grey": ClipPlan(codec="ffv1", options={}, pixel_format="gray", time_base=MILLI),
    "one frame": ClipPlan(frames=1),
    "turned": ClipPlan(rotation=90, aspect=Fraction(12, 11)),
    "full range": ClipPlan(matrix=6, full_range=True, primaries=6, transfer=6),
    "BT.709": ClipPlan(matrix=1, primaries=1, transfer=1, aspect=Fraction(4, 3)),
    "BT.2020 PQ": ClipPlan(matrix=9, primaries=9, transfer=16, pixel_format="yuv420p10le"),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("name", CASES)
def test_times_planes_and_colours_come_through(name: str, suffix: str, tmp_path: Path) -> None:
    plan = CASES[name]
    source = tmp_path / ("source.mkv" if plan.codec == "ffv1" else "source.mp4")
    make_clip(source, plan)
    target = tmp_path / f"target{suffix}"
    writer = copy(source, target)
    before, after = whole(source), whole(target)
    assert writer.frames == len(before) == len(after)
    rounding = 0.0005 if suffix == ".mkv" else 0
    np.testing.assert_allclose(
        after.pts * float(after.time_base),
        before.pts * float(before.time_base),
        rtol=0,
        atol=rounding + 1e-9,
    )
    for old, new in zip(before.planes, after.planes, strict=False):
        np.testing.assert_array_equal(old, new)
    assert replace(after.colour, guessed=before.colour.guessed) == before.colour
    old_info, new_info = probe(source), probe(target)
    assert new_info.sample_aspect == old_info.sample_aspect
    assert (new_info.width, new_info.height, new_info.rotation) == (
        old_info.width,
        old_info.height,
        0,
    )
    assert new_info.bits == old_info.bits


def test_times_that_the_container_rounds_are_noted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(pts=vfr_times(5)))
    assert any(
        "rounds times" in note for note in copy(tmp_path / "a.mp4", tmp_path / "b.mkv").notes
    )
    assert not copy(tmp_path / "a.mp4", tmp_path / "b.mp4").notes


def test_the_last_frame_keeps_its_duration(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=5))
    info = probe(tmp_path / "a.mp4")
    batch = whole(tmp_path / "a.mp4")
    longer = replace(batch, durations=np.array([3600] * 4 + [9000]))
    with ClipWriter(tmp_path / "b.mp4", info, **EXACT) as writer:
        writer.write(longer)
    assert probe(tmp_path / "b.mp4").duration == Fraction(4 * 3600 + 9000, 90000)


def test_an_odd_420_clip_keeps_size_and_luma_and_chroma_lies_where_it_lay(tmp_path: Path) -> None:
    plan = ClipPlan(codec="ffv1", options={}, width=63, height=65, time_base=MILLI)
    made = make_clip(tmp_path / "a.mkv", plan)
    writer = copy(tmp_path / "a.mkv", tmp_path / "b.mp4")
    after = whole(tmp_path / "b.mp4")
    assert (after.width, after.height, after.pixel_format) == (63, 65, "yuv444p")
    np.testing.assert_array_equal(after.planes[0], [m[0] for m in made])
    # Columns on every other one of luma, rows between two.
    places = np.mgrid[0:65, 0:63] / 2 - np.array([0.25, 0])[:, None, None]
    for plane in (1, 2):
        wanted = map_coordinates(made[0][plane].astype(float), places, order=1, mode="nearest")
        assert np.abs(after.planes[plane][0] - wanted).max() <= 1
    assert any("yuv444p" in note for note in writer.notes)


def test_frames_of_one_time_are_all_written(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=6))
    batch = whole(tmp_path / "a.mp4")
    twice = replace(batch, pts=np.array([0, 3600, 3600, 3600, 7200, 10800]))
    with ClipWriter(tmp_path / "b.mp4", probe(tmp_path / "a.mp4"), **EXACT) as writer:
        writer.write(twice)
    assert list(whole(tmp_path / "b.mp4").pts) == [0, 3600, 3601, 3602, 7200, 10800]
    assert any("2 frames" in note for note in writer.notes)


@pytest.mark.parametrize(("pixel_format", "codec"), [("yuv420p", "vp9"), ("yuv420p10le", "av1")])
def test_webm_takes_vp9_or_av1_by_itself(pixel_format: str, codec: str, tmp_path: Path) -> None:
    plan = ClipPlan(frames=4, width=128, height=128, pixel_format=pixel_format)
    make_clip(tmp_path / "a.mp4", plan)
    copy(tmp_path / "a.mp4", tmp_path / "b.webm", options={}, preset=None)
    with av.open(str(tmp_path / "b.webm")) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    assert whole(tmp_path / "b.webm").pixel_format == pixel_format


def test_the_format_that_loses_least_is_chosen() -> None:
    def fit(encoder: str, pixel_format: str, width: int = 64) -> str:
        return fitting_format(encoder, ClipInfo.synthetic(width, 48, 25, pixel_format=pixel_format))

    assert fit("libx264", "yuv422p10le") == "yuv422p10le"
    assert fit("libx264", "yuv420p12le") == "yuv420p10le"
    assert fit("libvpx-vp9", "gray") == "yuv420p"
    assert fit("libsvtav1", "yuv444p") == "yuv420p"
    assert fit("libx264", "yuv420p", width=63) == "yuv444p"
    assert fit("libvpx-vp9", "yuv420p", width=63) == "yuv420p"


@pytest.mark.parametrize("name", ["b.avi", "b.foo", "b"])
def test_a_name_of_a_container_that_we_do_not_write_is_noted(name: str, tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    writer = copy(tmp_path / "a.mp4", tmp_path / name)
    assert any("it is Matroska" in note for note in writer.notes)
    assert "matroska" in probe(tmp_path / name).format
    assert not any("Matroska" in n for n in copy(tmp_path / "a.mp4", tmp_path / "c.MP4").notes)
