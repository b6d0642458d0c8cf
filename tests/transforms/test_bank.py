"""The bank of transforms against scikit-image and Pillow, and what holds for all of it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from torch import Tensor

from magdr_video.transforms import (
    BANK,
    LAYERS,
    apply_chain,
    apply_transform,
    estimate_noise,
    gaussian,
    jpeg,
    non_local_means,
    parse_chain,
    shift_average,
    total_variation,
)
from magdr_video.types import TransformChoice
from tests.toys import decibels, pictures

EVERY = [
    TransformChoice(category, tuple(parameters.items()))
    for category, (_, grid) in BANK.items()
    for parameters in grid
]


def last(images: Tensor) -> np.ndarray:
    return images[0].permute(1, 2, 0).numpy()


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
    assert got.max() - got.min() < 1e-4
    assert (got - 0.6).abs().max() < 0.02


@pytest.mark.parametrize("choice", EVERY, ids=str)
def test_every_transform_but_the_identity_changes_a_picture(
    choice: TransformChoice, mixed: Tensor
) -> None:
    changed = not torch.equal(apply_transform(mixed, choice), mixed)
    assert changed == (choice.category != "identity")


def test_no_faces_in_give_no_faces_out() -> None:
    assert jpeg(torch.zeros(0, 3, 16, 16), quality=75).shape == (0, 3, 16, 16)


@pytest.mark.parametrize("weight", [0.02, 0.1])
def test_total_variation_is_that_of_scikit_image(weight: float) -> None:
    noisy = pictures(1, 40, noise=0.05)
    expected = denoise_tv_chambolle(
        last(noisy).astype(np.float64), weight=weight, eps=0, max_num_iter=50, channel_axis=-1
    )
    got = last(total_variation(noisy, weight=weight))
    np.testing.assert_allclose(got, expected.clip(0, 1), atol=1e-5)


def test_non_local_means_removes_noise_as_scikit_image_does() -> None:
    clean = pictures(1, 48)
    noisy = (clean + 0.05 * torch.randn(clean.shape, generator=torch.manual_seed(1))).clamp(0, 1)
    sigma = float(estimate_noise(noisy)[0])
    theirs = denoise_nl_means(
        last(noisy),
        patch_size=5,
        patch_distance=5,
        h=0.8 * sigma,
        sigma=sigma,
        fast_mode=True,
        channel_axis=-1,
    )
    expected = torch.from_numpy(theirs.astype(np.float32)).permute(2, 0, 1)[None]
    got = non_local_means(noisy, strength=0.8)
    assert decibels(got, clean) > decibels(noisy, clean) + 4
    assert decibels(got, clean) > decibels(expected, clean) - 0.5
    # Theirs drops weights below exp(-5), ours keeps them; a fifth of the noise on average.
    assert (got - expected)[..., 5:-5, 5:-5].abs().mean() < 0.01


def test_the_noise_of_a_picture_is_estimated_within_a_tenth() -> None:
    flat = torch.full((3, 3, 64, 64), 0.5)
    levels = torch.tensor([0.01, 0.03, 0.08])
    grain = torch.randn(flat.shape, generator=torch.manual_seed(0))
    got = estimate_noise(flat + grain * levels[:, None, None, None])
    torch.testing.assert_close(got, levels, rtol=0.1, atol=0)


@pytest.mark.parametrize("quality", [85, 50])
def test_jpeg_is_the_round_trip_of_pillow(quality: int) -> None:
    image = pictures(1, noise=0.05)
    file = io.BytesIO()
    picture = Image.fromarray((last(image) * 255).round().astype(np.uint8))
    picture.save(file, "JPEG", quality=quality)
    expected = np.asarray(Image.open(file)).astype(np.float32) / 255
    np.testing.assert_array_equal(last(jpeg(image, quality=quality)), expected)


def test_half_a_pixel_of_shift_is_a_binomial_blur() -> None:
    dot = torch.zeros(1, 3, 7, 7)
    dot[..., 3, 3] = 1
    row = torch.tensor([0.25, 0.5, 0.25])
    got = shift_average(dot, pixels=0.5)[0, 0]
    torch.testing.assert_close(got[2:5, 2:5], row[:, None] * row)
    assert got.sum() == pytest.approx(1)


def test_a_gaussian_has_the_wanted_deviation() -> None:
    dot = torch.zeros(1, 3, 31, 31)
    dot[..., 15, 15] = 1
    column = gaussian(dot, sigma=1.5)[0, 0].sum(dim=1)
    spread = float((column * (torch.arange(31.0) - 15) ** 2).sum()) ** 0.5
    assert spread == pytest.approx(1.5, rel=0.03)


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
    assert sorted(named) == sorted(set(BANK) - {"identity"})
    assert all("identity" in layer for layer in LAYERS)
