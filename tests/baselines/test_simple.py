from __future__ import annotations

import math

import pytest
import torch

from magdr_video.baselines.simple import BlurOnly, Jpeg, Noise, blur
from magdr_video.baselines.thresholds import clean_threshold
from magdr_video.transforms import jpeg
from tests.toys import decibels, pictures


def test_the_blur_of_a_dot_is_the_kernel_of_the_paper() -> None:
    dot = torch.zeros(1, 1, 31, 31)
    dot[0, 0, 15, 15] = 1
    spread = blur(dot, 1.5, 11)[0, 0]
    weights = [math.exp(-(x**2) / (2 * 1.5**2)) for x in range(-5, 6)]
    total = sum(weights)
    assert float(spread[15, 15]) == pytest.approx((weights[5] / total) ** 2, rel=1e-5)
    assert float(spread[15, 20]) == pytest.approx(weights[10] * weights[5] / total**2, rel=1e-5)
    assert float(spread[15, 21]) == 0
    assert float(spread.sum()) == pytest.approx(1, rel=1e-5)


def test_a_grey_face_stays_grey_under_blur_up_to_the_border() -> None:
    grey = torch.full((1, 3, 32, 32), 0.4)
    torch.testing.assert_close(BlurOnly().reconstruct(grey), grey)


def test_jpeg_is_a_round_trip_at_75() -> None:
    crops = pictures(2, 32)
    assert torch.equal(Jpeg().reconstruct(crops), jpeg(crops, quality=75))


def test_noise_keeps_its_bound_and_has_the_strength_of_uniform_noise() -> None:
    grey = torch.full((2, 3, 64, 64), 0.5)
    noisy = Noise(epsilon=0.05).reconstruct(grey)
    assert float((noisy - grey).abs().max()) <= 0.025
    # Uniform noise within +-a has rms a / sqrt(3).
    wanted = -20 * math.log10(0.025 / math.sqrt(3))
    assert decibels(noisy, grey) == pytest.approx(wanted, abs=0.1)


def test_the_threshold_lets_the_allowed_share_pass() -> None:
    scores = torch.arange(200.0)
    threshold = clean_threshold(scores, 0.01)
    assert int((scores > threshold).sum()) == 2
    assert clean_threshold(scores[:50], 0.01) == 49


def test_a_threshold_without_faces_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        clean_threshold(torch.zeros(0))
