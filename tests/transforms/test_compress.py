"""Compression against Pillow and NumPy."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from magdr_video.transforms import bit_depth, jpeg, jpeg_surrogate, low_rank, webp
from tests.toys import decibels, pictures


def by_pillow(image: Tensor, form: str, quality: int) -> np.ndarray:
    file = io.BytesIO()
    levels = (image[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    Image.fromarray(levels).save(file, form, quality=quality)
    return np.asarray(Image.open(file)).astype(np.float32) / 255


@pytest.mark.parametrize("quality", [95, 85, 50])
@pytest.mark.parametrize(("form", "transform"), [("JPEG", jpeg), ("WEBP", webp)])
def test_a_round_trip_is_that_of_pillow(form: str, transform: object, quality: int) -> None:
    image = pictures(1, noise=0.05)
    assert callable(transform)
    got = transform(image, quality=quality)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(got, by_pillow(image, form, quality))


@pytest.mark.parametrize("quality", [95, 75, 50])
def test_the_surrogate_is_nearer_to_the_real_jpeg_than_the_picture_is(quality: int) -> None:
    image = pictures(1, 40, noise=0.03)
    real, nearly = jpeg(image, quality=quality), jpeg_surrogate(image, quality=quality)
    assert nearly.shape == image.shape
    assert decibels(nearly, real) > decibels(image, real) + 5


def test_five_bits_leave_32_levels() -> None:
    ramp = torch.linspace(0, 1, 256).expand(1, 3, 1, 256)
    got = bit_depth(ramp, bits=5).unique()
    torch.testing.assert_close(got, torch.arange(32) / 31)


@pytest.mark.parametrize("energy", [0.95, 0.8])
def test_low_rank_keeps_the_fewest_singular_values_that_reach_the_energy(energy: float) -> None:
    image = pictures(1, 24, noise=0.05).double()
    planes = image[0].numpy()
    mean = planes.mean(axis=(1, 2), keepdims=True)
    u, s, v = np.linalg.svd(np.concatenate([*(planes - mean)], axis=1), full_matrices=False)
    rank = int(np.searchsorted(np.cumsum(s) / s.sum(), energy)) + 1
    assert 1 < rank < 24
    low = np.stack(np.split((u[:, :rank] * s[:rank]) @ v[:rank], 3, axis=1)) + mean
    got = low_rank(image, energy=energy)[0].numpy()
    np.testing.assert_allclose(got, low.clip(0, 1), atol=1e-9)


def test_no_faces_in_give_no_faces_out() -> None:
    assert jpeg(torch.zeros(0, 3, 16, 16), quality=75).shape == (0, 3, 16, 16)
