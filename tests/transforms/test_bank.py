"""What holds for every transform of the bank, and the chains that they form."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from magdr_video.transforms import (
    BANK,
    LAYERS,
    apply_chain,
    apply_transform,
    available_layers,
    differentiable_chain,
    jpeg,
    parse_chain,
)
from magdr_video.types import TransformChoice
from tests.toys import pictures

EVERY = [
    TransformChoice(name, tuple(parameters.items()))
    for name, category in BANK.items()
    for parameters in category.grid
    if name != "super_resolution"
]
"""Super-resolution has no weights of its own; it has tests of its own."""

ONE_EACH = list({choice.category: choice for choice in EVERY}.values())
"""The last setting of each category: its strongest."""

EXACT = [
    choice
    for choice in ONE_EACH
    # The purifier works in single precision, whatever it is given; its test is in test_purify.
    if BANK[choice.category].surrogate is None and choice.category != "purifier"
]
INEXACT = [choice for choice in ONE_EACH if BANK[choice.category].surrogate is not None]


@pytest.fixture(scope="module")
def mixed() -> Tensor:
    """Smooth, noisy, random and black-and-white pictures."""
    draw = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 32, 32, generator=draw)
    return torch.cat([pictures(1), pictures(1, noise=0.1, seed=3), noise, noise.round()])


@pytest.mark.parametrize("choice", EVERY, ids=str)
def test_every_transform_keeps_shape_and_range_and_does_not_see_the_batch(
    choice: TransformChoice, mixed: Tensor
) -> None:
    held = mixed.clone()
    together = apply_transform(mixed, choice)
    assert together.shape == mixed.shape
    assert together.dtype == mixed.dtype
    assert together.min() >= -1e-6 and together.max() <= 1 + 1e-6
    torch.testing.assert_close(mixed, held, atol=0, rtol=0, msg="the input was written to")
    torch.testing.assert_close(apply_transform(mixed, choice), together, atol=0, rtol=0)
    alone = torch.cat([apply_transform(one[None], choice) for one in mixed])
    torch.testing.assert_close(alone, together, atol=2e-6, rtol=0)


@pytest.mark.parametrize("choice", EVERY, ids=str)
def test_a_flat_picture_stays_flat_into_its_corners(choice: TransformChoice) -> None:
    got = apply_transform(torch.full((1, 3, 16, 16), 0.6), choice)
    # What is learned is not exact.
    assert got.max() - got.min() < (0.02 if choice.category == "purifier" else 1e-4)
    assert (got - 0.6).abs().max() < 0.02


@pytest.mark.parametrize("choice", EVERY, ids=str)
def test_every_transform_but_the_identity_changes_a_picture(
    choice: TransformChoice, mixed: Tensor
) -> None:
    changed = not torch.equal(apply_transform(mixed, choice), mixed)
    assert changed == (choice.category != "identity")


def test_no_faces_in_give_no_faces_out() -> None:
    assert jpeg(torch.zeros(0, 3, 16, 16), quality=75).shape == (0, 3, 16, 16)


def test_a_chain_applies_its_transforms_in_order(mixed: Tensor) -> None:
    first, second = parse_chain("bit_depth(bits=5) > gaussian(sigma=1)")
    expected = apply_transform(apply_transform(mixed, first), second)
    torch.testing.assert_close(apply_chain(mixed, (first, second)), expected)
    assert not torch.equal(apply_chain(mixed, (second, first)), expected)


@pytest.mark.parametrize("choice", EVERY, ids=str)
def test_what_a_choice_is_called_reads_back_as_the_choice(choice: TransformChoice) -> None:
    assert parse_chain(str(choice)) == (choice,)


def test_a_chain_of_several_reads_back() -> None:
    text = "bilateral(colour=0.1, space=1.5) > jpeg(quality=75)"
    assert " > ".join(map(str, parse_chain(text))) == text
    assert parse_chain("") == ()


@pytest.mark.parametrize("text", ["sharpen(amount=1)", "jpeg(quality)", "jpeg(quality=high)"])
def test_an_unknown_category_or_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_chain(text)


def test_every_category_is_searched_in_one_layer_and_each_layer_may_do_nothing() -> None:
    named = [category for layer in LAYERS for category in layer if category != "identity"]
    assert sorted(named) == sorted(set(BANK) - {"identity", "super_resolution"})
    assert all("identity" in layer for layer in LAYERS)


def test_super_resolution_is_searched_where_the_user_has_weights_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGDR_WEIGHTS", str(tmp_path))
    assert available_layers() == tuple(map(tuple, LAYERS))
    (tmp_path / "super-resolution.pth").write_bytes(b"")
    assert available_layers()[-1] == (*LAYERS[-1], "super_resolution")
    assert available_layers()[:-1] == tuple(map(tuple, LAYERS))[:-1]


def test_a_seed_is_written_and_read_and_decides_the_draws(mixed: Tensor) -> None:
    (choice,) = parse_chain("random_resize(draws=1, seed=7)")
    assert choice == TransformChoice("random_resize", (("draws", 1.0),), seed=7)
    assert parse_chain(str(choice)) == (choice,)
    seeded = apply_transform(mixed, choice)
    assert torch.equal(seeded, apply_transform(mixed, choice))
    assert not torch.equal(seeded, apply_chain(mixed, parse_chain("random_resize(draws=1)")))


@pytest.mark.parametrize("choice", EXACT, ids=str)
def test_gradients_are_those_of_finite_differences(choice: TransformChoice) -> None:
    draw = torch.Generator().manual_seed(5)
    image = pictures(1, 20, noise=0.02).double().clamp(0.1, 0.9)
    along, weights = (torch.randn(image.shape, generator=draw).double() for _ in range(2))
    held = image.clone().requires_grad_(True)
    value = (differentiable_chain(held, (choice,)) * weights).sum()
    (gradient,) = torch.autograd.grad(value, held)
    step = 1e-6
    ahead, behind = (
        (apply_transform(image + sign * step * along, choice) * weights).sum() for sign in (1, -1)
    )
    expected = (ahead - behind) / (2 * step)
    torch.testing.assert_close((gradient * along).sum(), expected, rtol=2e-3, atol=1e-3)


@pytest.mark.parametrize("choice", INEXACT, ids=str)
def test_a_surrogate_gives_a_gradient_and_leaves_the_images_to_the_real_transform(
    choice: TransformChoice,
) -> None:
    image = pictures(1, noise=0.05).requires_grad_(True)
    got = differentiable_chain(image, (choice,))
    torch.testing.assert_close(got, apply_transform(image, choice), atol=1e-6, rtol=0)
    (gradient,) = torch.autograd.grad(got.square().sum(), image)
    assert torch.isfinite(gradient).all()
    # Downhill along the gradient the real transform's value falls, too.
    moved = apply_transform((image - 0.05 * gradient / gradient.abs().max()).detach(), choice)
    assert moved.square().sum() < got.square().sum()
