from __future__ import annotations

import numpy as np

from magdr_video.faces.smoothing import OneEuro, Smoothing, jitter
from tests.faces.batches import SHAPE


def test_a_still_face_passes_unchanged() -> None:
    smoother = OneEuro()
    for _ in range(10):
        np.testing.assert_array_equal(smoother.step(SHAPE * 50, 40, 0.04), SHAPE * 50)


def test_the_lag_of_a_moving_face_is_bounded_by_the_gain() -> None:
    settings = Smoothing()
    smoother = OneEuro(settings)
    for step in range(100):
        place = SHAPE * 50 + step * 0.1 * 40  # 2.5 face sizes a second
        smooth = smoother.step(place, 40, 0.04)
    lag = (place - smooth)[:, 0].mean() / 40
    assert 0 < lag <= 1 / (2 * np.pi * settings.beta)


def test_the_filter_is_the_same_at_every_size() -> None:
    rng = np.random.default_rng(0)
    path = [SHAPE + rng.normal(0, 0.05, 2) for _ in range(20)]
    small, large = OneEuro(), OneEuro()
    for points in path:
        a = small.step(points * 30, 30, 0.04)
        b = large.step(points * 300, 300, 0.04)
    np.testing.assert_allclose(a * 10, b, rtol=1e-9)


def test_repeated_timestamps_do_no_harm() -> None:
    smoother = OneEuro()
    smoother.step(SHAPE * 50, 40, 0.0)
    assert np.isfinite(smoother.step(SHAPE * 50 + 3, 40, 0.0)).all()


def test_strength_zero_is_no_filter_and_more_is_slower() -> None:
    assert Smoothing.of_strength(0) is None
    strong, weak = Smoothing.of_strength(4), Smoothing.of_strength(0.5)
    assert strong is not None and weak is not None
    assert strong.min_cutoff < Smoothing().min_cutoff < weak.min_cutoff


def test_jitter_counts_second_differences_over_the_eye_distance() -> None:
    even = np.array([SHAPE * 50 + step for step in range(10)])
    assert jitter(even) < 1e-12
    shaking = np.array([SHAPE * 50 + (step % 2) for step in range(10)])
    assert abs(jitter(shaking) - 2 * 2**0.5 / (0.4 * 50)) < 1e-9
    assert jitter(even[:2]) == 0
