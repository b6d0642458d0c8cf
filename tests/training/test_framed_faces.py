"""Faces in frames: what a frame takes away, and an attack that reckons with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video.training.framed_faces import RATES, drawn_rate, drawn_way, framed
from magdr_video.transforms import gaussian
from tests.toys import pictures


def smooth(count: int, size: int = 48) -> Tensor:
    return gaussian(pictures(count, size), sigma=3.0)


@pytest.mark.parametrize("rate", [0.7, 1.0, 2.3])
@pytest.mark.parametrize("offset", [(0, 0), (1, 0), (1, 1)])
def test_a_smooth_face_comes_out_of_a_frame_in_its_place(
    rate: float, offset: tuple[int, int]
) -> None:
    faces = smooth(2)
    got = framed(faces, rate, offset)
    assert got.shape == faces.shape
    inner = (..., slice(4, -4), slice(4, -4))
    moved = torch.roll(faces, 1, dims=3)
    error = (got - faces)[inner].abs().mean()
    assert error < 0.01 and error < 0.5 * (moved - faces)[inner].abs().mean() + 0.004


def test_a_frame_keeps_little_of_fine_colour_and_more_of_it_where_the_face_is_large() -> None:
    noise = torch.randn(1, 3, 48, 48, generator=torch.Generator().manual_seed(1))
    colour = 0.03 * (noise - noise.mean(dim=1, keepdim=True))
    faces = torch.full((1, 3, 48, 48), 0.5) + colour
    small, large = (float((framed(faces, rate) - 0.5).std() / colour.std()) for rate in (1.4, 3.0))
    assert small < 0.4 < large


def test_drawn_rates_stay_in_their_range() -> None:
    rng = np.random.default_rng(0)
    drawn = [drawn_rate(rng) for _ in range(200)]
    assert RATES[0] <= min(drawn) < 1 and 2 < max(drawn) <= RATES[1]


def test_a_drawn_way_is_that_of_a_frame_and_lets_a_clean_face_pass() -> None:
    faces = smooth(2)
    way = drawn_way(faces, np.random.default_rng(3))
    torch.testing.assert_close(way(faces), faces, atol=1e-5, rtol=1e-5)
    noise = 0.03 * torch.randn(faces.shape, generator=torch.Generator().manual_seed(2))
    arrived = (way(faces + noise) - faces).std() / noise.std()
    assert 0.05 < arrived < 0.9
