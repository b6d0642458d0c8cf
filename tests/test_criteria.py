"""The criteria against scikit-image and against sums by hand."""

from __future__ import annotations

import math

import pytest
import torch
from skimage.metrics import structural_similarity

from magdr_video import criteria
from magdr_video.criteria import (
    CRITERIA,
    DEEP,
    PSNR_CAP,
    Images,
    cosine,
    distances,
    l1,
    l2,
    masked_mean,
    psnr,
    psnr_db,
    ssim,
    ssim_map,
)
from tests.toys import halves, pictures


def pair(count: int = 2, size: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    u = pictures(count, size, seed=1)
    return u, (u + 0.1 * torch.randn(u.shape, generator=torch.manual_seed(2))).clamp(0, 1)


def test_the_structural_similarity_map_is_that_of_scikit_image() -> None:
    u, v = pair()
    ours = ssim_map(u, v)[:, 0, 5:-5, 5:-5]
    for index in range(len(u)):
        _, full = structural_similarity(
            u[index].permute(1, 2, 0).double().numpy(),
            v[index].permute(1, 2, 0).double().numpy(),
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=-1,
            full=True,
        )
        expected = torch.from_numpy(full[5:-5, 5:-5].mean(axis=-1)).float()
        torch.testing.assert_close(ours[index], expected, atol=1e-4, rtol=0)


def test_images_that_are_compared_several_times_are_blurred_once_and_tell_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    u, v = pair()
    w = u.flip(3)
    plain = ssim(u, v), ssim(u, w), ssim(v, w)
    blur, blurred = criteria._blur, []

    def counted(image: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
        blurred.append(len(image))
        return blur(image, window)

    monkeypatch.setattr(criteria, "_blur", counted)
    one, two, three = Images(u), Images(v), Images(w)
    again = ssim(one, two), ssim(one, three), ssim(two, three)
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    # Three images with their squares, and three products.
    assert sum(blurred) == (2 * 3 + 3) * len(u)


def test_equal_images_are_at_distance_zero_under_every_criterion() -> None:
    u, _ = pair()
    assert distances(u, u, tuple(CRITERIA)).abs().max() < 1e-5


def test_psnr_is_ten_times_the_logarithm_of_the_mean_squared_error() -> None:
    u = torch.full((2, 3, 8, 8), 0.5)
    v = torch.stack([u[0] + 0.1, u[1] - 0.01])
    torch.testing.assert_close(psnr_db(u, v), torch.tensor([20.0, 40.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(
        psnr(u, v)[:, 0], torch.tensor([PSNR_CAP - 20, PSNR_CAP - 40]), atol=1e-3, rtol=0
    )


def test_psnr_of_an_untouched_image_is_capped() -> None:
    u, _ = pair()
    assert psnr_db(u, u).tolist() == [PSNR_CAP, PSNR_CAP]
    assert math.isfinite(float(psnr(u, 1 - u)[0, 0]))


@pytest.mark.parametrize("name", sorted(CRITERIA))
def test_a_mask_of_the_whole_image_equals_no_mask(name: str) -> None:
    u, v = pair()
    whole = torch.ones(2, 1, 32, 32)
    torch.testing.assert_close(CRITERIA[name](u, v, whole), CRITERIA[name](u, v))


def test_a_region_is_the_mean_over_its_pixels_alone() -> None:
    u, v = pair(1, 16)
    masks = torch.zeros(1, 2, 16, 16)
    masks[0, 0, 2:4, 1:5] = 1
    masks[0, 1, 6, 6] = 1
    by_hand = [(u - v)[0, :, 2:4, 1:5].abs().mean(), (u - v)[0, :, 6, 6].abs().mean()]
    torch.testing.assert_close(l1(u, v, masks)[0], torch.stack(by_hand))
    squares = [(u - v)[0, :, 2:4, 1:5].square().mean(), (u - v)[0, :, 6, 6].square().mean()]
    torch.testing.assert_close(l2(u, v, masks)[0], torch.stack(squares))


def test_a_soft_mask_weighs_pixels_once_and_divides_by_its_soft_area() -> None:
    values = torch.tensor([[[[1.0, 3.0]]]])
    masks = torch.tensor([[[[0.25, 0.5]]]])
    assert masked_mean(values, masks).item() == pytest.approx((0.25 + 1.5) / 0.75)


def test_an_empty_region_gives_a_finite_number() -> None:
    u, v = pair()
    empty = torch.zeros(2, 1, 32, 32)
    assert torch.isfinite(distances(u, v, tuple(CRITERIA), empty)).all()


def test_distances_come_in_the_order_of_the_names() -> None:
    u, v = pair()
    masks = halves(2).data
    got = distances(u, v, ("ssim", "l1"), masks)
    assert got.shape == (2, 2, 2)
    torch.testing.assert_close(got[..., 0], ssim(u, v, masks))
    torch.testing.assert_close(got[..., 1], l1(u, v, masks))


def test_cosine_is_zero_for_scaled_features_and_two_for_opposite_ones() -> None:
    u = torch.randn(1, 4, 4, 4, generator=torch.manual_seed(0))
    v = u.clone()
    v[..., :2] *= 3
    v[..., 2:] *= -1
    got = cosine(u, v, halves(1, 16).data)
    torch.testing.assert_close(got, torch.tensor([[0.0, 2.0]]), atol=1e-5, rtol=0)


def edges(images: torch.Tensor) -> torch.Tensor:
    """Features at half the size: horizontal and vertical differences of 2 x 2 pixels."""
    a, b, c = images[..., ::2, ::2], images[..., ::2, 1::2], images[..., 1::2, ::2]
    return torch.cat([a - b, a - c], dim=1)


def test_the_deep_criterion_is_the_cosine_of_the_features_it_is_given() -> None:
    u, v = pair()
    masks = halves(2).data
    got = distances(u, v, (DEEP, "l1"), masks, features=edges)
    apart = 1 - torch.nn.functional.cosine_similarity(edges(u), edges(v), dim=1)
    torch.testing.assert_close(got[:, 0, 0], apart[..., :8].mean(dim=(1, 2)))
    torch.testing.assert_close(got[:, 1, 0], apart[..., 8:].mean(dim=(1, 2)))
    torch.testing.assert_close(got[..., 1], l1(u, v, masks))


@pytest.mark.parametrize(("name", "complaint"), [("cos", "features"), ("psrn", "no criterion")])
def test_a_criterion_that_cannot_be_measured_is_refused(name: str, complaint: str) -> None:
    u, v = pair()
    with pytest.raises(ValueError, match=complaint):
        distances(u, v, (name,))


@pytest.mark.parametrize("name", [*CRITERIA, DEEP])
def test_gradients_of_each_criterion_are_those_of_finite_differences(name: str) -> None:
    u, v = (picture.double()[:, :, :12, :12] for picture in pair(1, 12))
    masks = halves(1, 12).data.double()

    def measured(moving: torch.Tensor) -> torch.Tensor:
        return distances(moving, v, (name,), masks, features=edges)

    assert torch.autograd.gradcheck(measured, u.requires_grad_(True), atol=1e-6)
