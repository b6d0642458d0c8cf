"""Code values to RGB and back, against the definitions and against swscale."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from av.video.reformatter import ColorRange, Colorspace

from magdr_video.types import Colour
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import batch_to_rgb, code_scale, from_rgb, rgb_to_batch, to_rgb

SPACES = {"bt601": Colorspace.ITU601, "bt709": Colorspace.ITU709, "bt2020": Colorspace.bt2020}


@pytest.mark.parametrize("bits", [8, 10, 12])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", SPACES)
def test_there_and_back_is_exact(matrix: str, full: bool, bits: int) -> None:
    colour = Colour(matrix, full_range=full)
    rng = np.random.default_rng(1)
    planes = [rng.uniform(0, (1 << bits) - 1, (2, 4, 5)) for _ in range(3)]
    rgb = to_rgb(planes[0], planes[1], planes[2], colour, bits, clip=False)
    assert rgb.shape == (2, 3, 4, 5)
    for plane, back in zip(planes, from_rgb(rgb, colour, bits), strict=True):
        np.testing.assert_allclose(back, plane, atol=1e-8)


@pytest.mark.parametrize("matrix", SPACES)
def test_black_white_and_grey_are_where_the_standards_put_them(matrix: str) -> None:
    y = np.array([[16, 235, 125.5]])
    neutral = np.full((1, 3), 128)
    rgb = to_rgb(y, neutral, neutral, Colour(matrix), 8)
    np.testing.assert_allclose(rgb, np.broadcast_to([[[0, 1, 0.5]]], (3, 1, 3)), atol=1e-6)


def test_red_of_bt601_has_the_published_codes() -> None:
    red = np.array([1.0, 0, 0]).reshape(3, 1, 1)
    y, u, v = from_rgb(red, Colour("bt601"), 8)
    np.testing.assert_allclose([y.item(), u.item(), v.item()], [81.48, 90.2, 240], atol=0.01)
    y, u, v = from_rgb(red, Colour("bt709"), 8)
    np.testing.assert_allclose([y.item(), u.item(), v.item()], [62.56, 102.33, 240], atol=0.01)


def test_torch_and_numpy_agree() -> None:
    planes = np.random.default_rng(2).integers(0, 256, (3, 2, 4, 4), np.uint8)
    ours = to_rgb(planes[0], planes[1], planes[2], Colour(), 8)
    tensors = [torch.from_numpy(plane) for plane in planes]
    theirs = to_rgb(tensors[0], tensors[1], tensors[2], Colour(), 8)
    assert ours.dtype == np.float32 and theirs.dtype == torch.float32
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-6)


def test_an_unknown_matrix_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'rgb' given, allowed: bt601"):
        code = np.zeros((1, 1))
        to_rgb(code, code, code, Colour("rgb"), 8)


def smooth_rgb(count: int, height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    base = np.stack([200 * x / width, 200 * y / height, 90 + 60 * np.sin(x / 9)], -1) + 20
    return np.stack([np.clip(base + 5 * k, 0, 255) for k in range(count)]).astype(np.uint8)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", SPACES)
def test_frames_look_as_swscale_shows_them(matrix: str, full: bool) -> None:
    rgb = smooth_rgb(1, 48, 64)
    info = ClipInfo.synthetic(64, 48, 25, pixel_format="yuv444p")
    info = ClipInfo(**(vars(info) | {"colour": Colour(matrix, full_range=full)}))
    batch = rgb_to_batch(rgb, info)
    frame = av.VideoFrame.from_ndarray(np.stack([p[0] for p in batch.planes]), "yuv444p")
    shown = frame.to_ndarray(
        format="rgb24",
        src_colorspace=SPACES[matrix],
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
    )
    ours = batch_to_rgb(batch, 48, 64)[0].astype(int)
    assert np.abs(ours - shown).max() <= 3
    assert np.abs(ours - rgb[0]).max() <= 2


@pytest.mark.parametrize(
    "pixel_format", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv444p12le"]
)
def test_made_frames_have_the_format_asked_for_and_come_back(pixel_format: str) -> None:
    rgb = smooth_rgb(3, 47, 63)
    batch = rgb_to_batch(rgb, ClipInfo.synthetic(63, 47, 25, pixel_format=pixel_format))
    assert batch.pixel_format == pixel_format
    assert np.abs(batch_to_rgb(batch, 47, 63).astype(int) - rgb).mean() < 1.5


def test_frames_shrink_by_area_average() -> None:
    rgb = np.zeros((1, 32, 32, 3), np.uint8)
    rgb[:, ::2] = 200
    batch = rgb_to_batch(rgb, ClipInfo.synthetic(32, 32, 25, pixel_format="yuv444p"))
    small = batch_to_rgb(batch, 8, 8)
    assert np.abs(small.astype(int) - 100).max() <= 1


def test_made_frames_follow_each_other_at_the_rate_asked_for() -> None:
    info = ClipInfo.synthetic(16, 16, Fraction(30000, 1001))
    first = rgb_to_batch(np.zeros((4, 16, 16, 3), np.uint8), info)
    then = rgb_to_batch(np.zeros((2, 16, 16, 3), np.uint8), info, first_index=4)
    assert list(first.pts) + list(then.pts) == [3003 * k for k in range(6)]
    assert list(first.cut) == [True, False, False, False] and not then.cut.any()


def test_grey_frames_are_shown_grey() -> None:
    info = ClipInfo.synthetic(16, 16, 25, pixel_format="gray")
    batch = rgb_to_batch(np.full((1, 16, 16, 3), 77, np.uint8), info)
    assert len(batch.planes) == 1
    assert np.abs(batch_to_rgb(batch, 16, 16).astype(int) - 77).max() <= 1


def test_lengths_that_disagree_are_refused() -> None:
    batch = rgb_to_batch(np.zeros((2, 8, 8, 3), np.uint8), ClipInfo.synthetic(8, 8, 25))
    with pytest.raises(ValueError, match=r"3 frames.*2"):
        rgb_to_batch(np.zeros((3, 8, 8, 3), np.uint8), batch)


def test_ten_bits_span_four_times_the_codes() -> None:
    assert code_scale(Colour(), 10) == (64, 876, 512, 896)
    assert code_scale(Colour(full_range=True), 10) == (0, 1023, 512, 1023)
