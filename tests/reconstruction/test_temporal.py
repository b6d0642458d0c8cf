"""Averaging along the motion: gains on independent noise, leaks nothing that does not match."""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.reconstruction.temporal import average_along_motion, window_around
from tests.toys import decibels, pictures


def grain(count: int, size: int, seed: int) -> Tensor:
    """Independent noise of the attacks' size: 0.05 in [-1, 1]."""
    draw = torch.Generator().manual_seed(seed)
    return (torch.rand(count, 3, size, size, generator=draw).round() - 0.5) * 0.05


def test_five_frames_of_a_still_picture_gain_four_decibels() -> None:
    clean = pictures(1, 64)[0]
    frames = (clean + grain(5, 64, 0)).clamp(0, 1)
    got = average_along_motion(list(frames), 2)
    assert decibels(got, clean) > decibels(frames[2], clean) + 4


def test_a_moving_picture_is_followed() -> None:
    wide = pictures(1, 80, seed=5)[0]
    views = torch.stack([wide[:, 8:72, at : at + 64] for at in (4, 6, 8, 10, 12)])
    frames = (views + grain(5, 64, 1)).clamp(0, 1)
    got = average_along_motion(list(frames), 2)
    inner = (slice(None), slice(8, -8), slice(8, -8))
    assert decibels(got[inner], views[2][inner]) > decibels(frames[2][inner], views[2][inner]) + 3


def test_a_patch_that_covers_the_neighbours_does_not_leak_in() -> None:
    clean = pictures(1, 64)[0]
    covered = clean.clone()
    covered[:, 24:40, 24:40] = 1 - covered[:, 24:40, 24:40].round()
    got = average_along_motion([covered, clean, covered], 1)
    plain = torch.stack([covered, clean, covered]).mean(dim=0)
    leaked, averaged = ((held - clean).abs()[:, 24:40, 24:40].mean() for held in (got, plain))
    assert averaged > 0.25
    assert leaked < 0.02


def test_a_crop_without_neighbours_is_returned_as_it_is() -> None:
    crop = pictures(1)[0]
    assert torch.equal(average_along_motion([crop], 0), crop)


def test_equal_frames_average_to_themselves_in_range_and_type() -> None:
    crop = pictures(1)[0]
    got = average_along_motion([crop, crop, crop], 0)
    assert got.dtype == crop.dtype and got.shape == crop.shape
    torch.testing.assert_close(got, crop, atol=4e-3, rtol=0)


def test_a_window_lies_around_its_frame_and_on_one_side_of_it_at_the_ends() -> None:
    assert list(window_around(4, 10, 5)) == [2, 3, 4, 5, 6]
    assert list(window_around(0, 10, 5)) == [0, 1, 2, 3, 4]
    assert list(window_around(9, 10, 5)) == [5, 6, 7, 8, 9]
    assert list(window_around(1, 3, 5)) == [0, 1, 2], "a clip may be shorter"
