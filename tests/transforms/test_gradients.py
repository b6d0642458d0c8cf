"""The slopes that an attacker who knows the defence climbs, against finite differences."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor

from magdr_video.transforms.bank import BANK
from tests.toys import pictures

STEP = 1e-3
FINE = 1e-6
"""Where the function has kinks or jumps: which pixel a median takes, as the noise estimate does,
changes with little; the surrogate of rounding jumps half way between two levels."""
KINKED = ("median", "nlm", "wavelet_haar", "wavelet_sym4", "jpeg", "webp")
CASES = [
    (name, setting)
    for name, category in BANK.items()
    if name != "super_resolution"  # a network of the user's
    for setting in (category.grid[0], category.grid[-1])
]


def differentiated(name: str, setting: dict[str, float], images: Tensor) -> Tensor:
    """What is differentiated in place of a category: its surrogate where it has one."""
    category = BANK[name]
    arguments = dict(setting) | ({"seed": 3} if category.seeded else {})
    return (category.surrogate or category.function)(images, **arguments)


@pytest.mark.parametrize(("name", "setting"), CASES, ids=str)
def test_the_slope_is_that_of_finite_differences(name: str, setting: dict[str, float]) -> None:
    images = (pictures(1, 24, noise=0.02) * 0.6 + 0.2).double()
    draw = torch.Generator().manual_seed(11)
    weight = torch.rand(images.shape, generator=draw).double()
    value = functools.partial(differentiated, name, setting)

    def scalar(at: Tensor) -> Tensor:
        return (value(at) * weight).sum()

    held = images.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(scalar(held), held)
    # Along the slope itself, where a wrong one shows most, and a little beside it.
    beside = torch.rand(images.shape, generator=draw).double() - 0.5
    way = slope / slope.abs().max() + 0.2 * beside
    step = FINE if name in KINKED else STEP
    with torch.no_grad():
        ahead, behind = (float(scalar(images + sign * step * way)) for sign in (1, -1))
    expected = (ahead - behind) / (2 * step)
    assert float((slope * way).sum()) == pytest.approx(expected, rel=0.03)
    assert expected > 0
