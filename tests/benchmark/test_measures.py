"""The columns of Table 2 against hand-computed values."""

from __future__ import annotations

import math

import pytest
import torch

from magdr_video.benchmark.measures import as_rate, feature_cosine, fsim, image_measures
from tests.toys import pictures


def test_a_constant_difference_has_the_figures_of_the_unit_table() -> None:
    u = torch.full((1, 3, 16, 16), 0.5)
    v = u + 0.025  # epsilon 0.05 of the paper everywhere
    held = {name: float(value) for name, value in image_measures(u, v).items()}
    assert held["mse255"] == pytest.approx(6.375**2, rel=1e-4)
    assert held["rmse255"] == pytest.approx(6.375, rel=1e-4)
    assert held["psnr"] == pytest.approx(32.04, abs=0.01)
    assert held["l2"] == pytest.approx(0.05 * math.sqrt(3 * 16 * 16), rel=1e-4)


def test_equal_images_are_as_near_as_can_be() -> None:
    u = pictures(2, 64)
    held = image_measures(u, u)
    assert held["mse255"].max() == 0
    assert held["ssim"].min() > 0.9999
    assert fsim(u, u).min() > 0.999


def test_fsim_falls_with_noise() -> None:
    clean = pictures(1, 64)
    assert float(fsim(clean, pictures(1, 64, noise=0.2))) < 0.95


def test_opposite_features_have_a_cosine_of_minus_one() -> None:
    features = torch.randn(2, 4, 3, 3)
    assert feature_cosine(features, -features).tolist() == pytest.approx([-1.0, -1.0])


def test_a_rate_leaves_undefined_faces_undefined() -> None:
    found = as_rate(torch.tensor([0.04, 0.06, float("nan")]))
    assert found[:2].tolist() == [0.0, 1.0]
    assert found[2].isnan()
