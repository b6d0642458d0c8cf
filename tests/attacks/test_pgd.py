"""The attacks keep their bound and do what they are for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from magdr_video.attacks.pgd import fgsm, pgd, project, round_within
from tests.toys import ToyGenerator, pictures

EPSILON = 0.05
GENERATE = ToyGenerator()
CONDITION = torch.tensor([[0.0], [0.5]])


@pytest.fixture(scope="module")
def images() -> Tensor:
    """Smooth pictures with black and white areas, so that the range matters too."""
    held = pictures(2)
    held[..., :4] = 0
    held[..., -4:] = 1
    return held


def damage(images: Tensor, origin: Tensor) -> float:
    return float((GENERATE(images, CONDITION) - GENERATE(origin, CONDITION)).square().mean())


def assert_bounded(perturbed: Tensor, origin: Tensor, epsilon: float) -> None:
    assert (perturbed - origin).abs().max() <= epsilon / 2 + 1e-7
    assert perturbed.min() >= 0 and perturbed.max() <= 1
    assert not perturbed.requires_grad


@pytest.mark.parametrize("epsilon", [0.01, 0.05, 0.2])
def test_a_perturbation_stays_in_its_bound_and_in_range_and_uses_both(
    images: Tensor, epsilon: float
) -> None:
    got = pgd(GENERATE, images, CONDITION, epsilon=epsilon, step_size=epsilon / 2, steps=4)
    assert_bounded(got, images, epsilon)
    assert (got - images).abs().max() > 0.49 * epsilon


def test_the_damage_grows_over_the_steps(images: Tensor) -> None:
    steps = [damage(pgd(GENERATE, images, CONDITION, steps=n), images) for n in (0, 2, 5, 10)]
    assert steps == sorted(steps)
    assert steps[-1] > 3 * steps[0]


def test_one_step_of_fgsm_keeps_the_bound_and_does_damage(images: Tensor) -> None:
    got = fgsm(GENERATE, images, CONDITION, epsilon=EPSILON)
    assert_bounded(got, images, EPSILON)
    noise = project(images + EPSILON / 2 * torch.randn_like(images).sign(), images, EPSILON)
    assert damage(got, images) > 2 * damage(noise, images)


def test_rounding_keeps_the_bound_and_lands_on_eight_bits(images: Tensor) -> None:
    origin = (images * 255).round() / 255
    perturbed = pgd(GENERATE, origin, CONDITION, epsilon=EPSILON, steps=3)
    got = round_within(perturbed, origin, EPSILON)
    levels = got * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert_bounded(got, origin, EPSILON)
    assert (got - perturbed).abs().max() * 255 <= 0.5 + 1e-3


def test_rounding_turns_back_where_the_nearest_level_is_out_of_bounds() -> None:
    origin = torch.full((1, 3, 2, 2), 100 / 255)
    edge = project(origin + 1, origin, 0.0125)  # 1.59 levels; the nearest would be 102.
    got = round_within(edge, origin, 0.0125) * 255
    torch.testing.assert_close(got, torch.full_like(got, 101.0))


def test_the_bound_is_exact_in_dark_pixels_too() -> None:
    origin = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.1
    for far in (origin - 1, origin + 1):
        got = project(far, origin, EPSILON)
        reached = (got.double() - origin.double()).abs()
        assert float(reached.max()) <= EPSILON / 2
        assert float(reached.max()) > EPSILON / 2 - 1e-7
        assert got.min() >= 0
