"""Resampling and restoring against Pillow, scikit-image and sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.restoration import wiener as wiener_of_skimage
from torch import Tensor

from magdr_video.transforms import (
    down_up,
    down_up_lanczos,
    gaussian,
    random_resize,
    shift_average,
    unsharp,
    wiener,
)
from magdr_video.transforms.resample import resize_lanczos
from tests.toys import decibels, pictures


def pillow_resize(plane: np.ndarray, side: int, how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(plane, mode="F").resize((side, side), how))


@pytest.mark.parametrize("size", [(25, 18), (75, 60), (50, 40)])
def test_lanczos_is_that_of_pillow(size: tuple[int, int]) -> None:
    plane = torch.rand(50, 37, generator=torch.manual_seed(0))
    picture = Image.fromarray(plane.numpy(), mode="F")
    expected = picture.resize(size[::-1], Image.Resampling.LANCZOS)
    got = resize_lanczos(plane[None, None], *size)[0, 0].numpy()
    np.testing.assert_allclose(got, np.asarray(expected), atol=1e-6)


@pytest.mark.parametrize("scale", [0.75, 0.5])
@pytest.mark.parametrize(
    ("transform", "how"),
    [(down_up, Image.Resampling.BICUBIC), (down_up_lanczos, Image.Resampling.LANCZOS)],
)
def test_down_and_up_is_that_of_pillow(
    transform: object, how: Image.Resampling, scale: float
) -> None:
    image = pictures(1, 40, noise=0.05)
    assert callable(transform)
    got = transform(image, scale=scale)[0, 1].numpy()
    small = pillow_resize(image[0, 1].numpy(), round(40 * scale), how)
    expected = pillow_resize(small, 40, how).clip(0, 1)
    # torch enlarges with Keys' a = -0.75 (OpenCV's), Pillow with -0.5.
    np.testing.assert_allclose(got, expected, atol=0.05 if transform is down_up else 1e-5)


def test_a_random_resize_comes_back_in_place_and_more_draws_average() -> None:
    column = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    for seed in range(4):
        one = random_resize(column, draws=1, seed=seed)
        # Linear interpolation returns a ramp exactly, so any shift would show.
        torch.testing.assert_close(one[..., 2:-2], column[..., 2:-2], atol=1e-5, rtol=0)
    image = pictures(1, noise=0.1)
    one, four = (random_resize(image, draws=draws) for draws in (1, 4))
    assert not torch.equal(one, four)
    assert decibels(four, image) > 20


def test_half_a_pixel_of_shift_is_a_binomial_blur() -> None:
    dot = torch.zeros(1, 3, 7, 7)
    dot[..., 3, 3] = 1
    row = torch.tensor([0.25, 0.5, 0.25])
    got = shift_average(dot, pixels=0.5)[0, 0]
    torch.testing.assert_close(got[2:5, 2:5], row[:, None] * row)
    assert got.sum() == pytest.approx(1)


def test_eight_shifts_add_the_straight_ones() -> None:
    dot = torch.zeros(1, 3, 7, 7)
    dot[..., 3, 3] = 1
    row, none = torch.tensor([0.25, 0.5, 0.25]), torch.tensor([0.0, 1.0, 0.0])
    straight = (row[:, None] * none + none[:, None] * row) / 2
    expected = (row[:, None] * row + straight) / 2
    got = shift_average(dot, pixels=0.5, shifts=8)[0, 0]
    torch.testing.assert_close(got[2:5, 2:5], expected)


def test_an_unsharp_mask_adds_what_the_blur_takes() -> None:
    image = (pictures(1) + 1) / 3
    expected = image + 0.4 * (image - gaussian(image, sigma=1.0))
    torch.testing.assert_close(unsharp(image, amount=0.4), expected)


def _impulse(side: int, sigma: float) -> np.ndarray:
    """A sampled Gaussian of unit sum, wrapped around the picture, centre in the middle."""
    at = np.arange(side) - side // 2
    taps = np.exp(-(at**2) / (2 * sigma**2))
    return np.outer(taps, taps) / taps.sum() ** 2


def test_wiener_is_that_of_scikit_image_but_for_its_gain_at_frequency_zero() -> None:
    image = (pictures(1, 48, noise=0.02).double() + 1) / 3
    padded = np.pad(image[0, 0].numpy(), 8, mode="reflect")
    psf = _impulse(64, 0.7)[32 - 8 : 32 + 9, 32 - 8 : 32 + 9]
    theirs = wiener_of_skimage(padded, psf, 0.03, reg=np.array([[1.0]]), clip=False)
    got = wiener(image, noise=0.03)[0, 0].numpy()
    np.testing.assert_allclose(got, theirs[8:-8, 8:-8] * 1.03, atol=1e-9)


def test_wiener_sharpens_what_was_blurred() -> None:
    sharp = pictures(1, 48, noise=0.05, seed=2)
    blurred: Tensor = gaussian(sharp, sigma=0.7)
    assert decibels(wiener(blurred, noise=0.01), sharp) > decibels(blurred, sharp) + 3
