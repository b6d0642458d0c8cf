"""The denoising transforms against scikit-image, SciPy, PyWavelets and sums written out."""

from __future__ import annotations

import numpy as np
import pytest
import pywt
import torch
from scipy.ndimage import gaussian_filter, median_filter
from skimage.color import lab2rgb, rgb2lab
from skimage.restoration import (
    cycle_spin,
    denoise_nl_means,
    denoise_tv_chambolle,
    denoise_wavelet,
)
from torch import Tensor

from magdr_video.transforms import (
    bilateral,
    chroma_gaussian,
    chroma_guided,
    estimate_noise,
    gaussian,
    guided,
    median,
    non_local_means,
    total_variation,
    wavelet_haar,
    wavelet_sym4,
)
from magdr_video.transforms.wavelet import HAAR, SYM4, decompose, recompose
from tests.toys import decibels, pictures


def last(images: Tensor) -> np.ndarray:
    """The only picture as (S, S, 3)."""
    return images[0].permute(1, 2, 0).double().numpy()


def test_a_gaussian_is_that_of_scipy() -> None:
    image = pictures(1, noise=0.1).double()
    expected = gaussian_filter(last(image), (1.5, 1.5, 0), mode="mirror", radius=(5, 5, 0))
    np.testing.assert_allclose(last(gaussian(image, sigma=1.5)), expected, atol=1e-9)


@pytest.mark.parametrize("size", [3, 5])
def test_a_median_is_that_of_scipy(size: int) -> None:
    image = pictures(1, noise=0.1)
    expected = median_filter(last(image), (size, size, 1), mode="mirror")
    np.testing.assert_allclose(last(median(image, size=size)), expected, atol=1e-6)


def test_a_bilateral_filter_weighs_by_distance_in_colour_and_space() -> None:
    image = pictures(1, 9, noise=0.1).double()
    held = last(image)
    colour, space, at = 0.2, 1.5, 4
    window = held[at - 2 : at + 3, at - 2 : at + 3]
    y, x = np.mgrid[-2:3, -2:3]
    apart = np.abs(window - held[at, at]).sum(axis=2)
    weights = np.exp(-(apart**2) / (2 * colour**2) - (y**2 + x**2) / (2 * space**2))
    expected = (weights[..., None] * window).sum(axis=(0, 1)) / weights.sum()
    got = last(bilateral(image, colour=colour, space=space))[at, at]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def _linear_fit(guide: np.ndarray, values: np.ndarray, eps: float) -> tuple[np.ndarray, float]:
    """Slope and offset of the guided filter in one window: ridge regression on the guide."""
    g, v = guide.reshape(25, -1), values.reshape(25)
    cov = (g - g.mean(0)).T @ (g - g.mean(0)) / 25 + eps * np.eye(g.shape[1])
    slope = np.linalg.solve(cov, (g - g.mean(0)).T @ (v - v.mean()) / 25)
    return slope, float(v.mean() - slope @ g.mean(0))


def _guided_pixel(guide: np.ndarray, values: np.ndarray, eps: float, at: int) -> float:
    """The guided filter (He et al. 2010) at a pixel: the mean of the fits of its 25 windows."""
    fits = []
    for y in range(at - 2, at + 3):
        for x in range(at - 2, at + 3):
            window = (slice(y - 2, y + 3), slice(x - 2, x + 3))
            fits.append(_linear_fit(guide[window], values[window], eps))
    slope = np.mean([fit[0] for fit in fits], axis=0)
    return float(slope @ guide[at, at] + np.mean([fit[1] for fit in fits]))


def test_a_guided_filter_is_the_mean_of_its_windows_ridge_regressions() -> None:
    image = pictures(1, 13, noise=0.1).double()
    held = last(image)
    got = last(guided(image, eps=3e-3))[6, 6]
    expected = [_guided_pixel(held, held[..., c], 3e-3, 6) for c in range(3)]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_chroma_filters_blur_a_and_b_of_scikit_images_lab_and_keep_the_lightness() -> None:
    image = (pictures(1, noise=0.03).double() + 1) / 3
    lab = rgb2lab(last(image))
    blurred = gaussian_filter(lab, (2, 2, 0), mode="mirror", radius=(6, 6, 0))
    expected = lab2rgb(np.concatenate([lab[..., :1], blurred[..., 1:]], axis=2))
    np.testing.assert_allclose(last(chroma_gaussian(image, sigma=2)), expected, atol=2e-3)
    kept = rgb2lab(last(chroma_guided(image, eps=1e-2)))
    np.testing.assert_allclose(kept[..., 0], lab[..., 0], atol=0.2)
    guide, a = lab[..., :1] / 100, lab[..., 1] / 110
    assert kept[9, 9, 1] / 110 == pytest.approx(_guided_pixel(guide, a, 1e-2, 9), abs=2e-3)


@pytest.mark.parametrize("weight", [0.02, 0.1])
def test_total_variation_converges_to_the_solution_of_scikit_image(weight: float) -> None:
    noisy = pictures(1, 40, noise=0.05).double()
    held = last(noisy)
    solution, fifty = (
        denoise_tv_chambolle(held, weight=weight, eps=0, max_num_iter=steps, channel_axis=-1)
        for steps in (1500, 50)
    )
    long = last(total_variation(noisy, weight=weight, steps=300))
    np.testing.assert_allclose(long, solution.clip(0, 1), atol=2e-3)
    usual = last(total_variation(noisy, weight=weight))
    assert np.abs(usual - solution).mean() < np.abs(fifty - solution).mean()


def test_non_local_means_is_that_of_scikit_image_but_for_its_dropped_weights() -> None:
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


def test_non_local_means_is_the_sum_over_its_window_written_out() -> None:
    image = pictures(1, 24, noise=0.05).double()
    held, at = last(image), 12
    sigma = float(estimate_noise(image)[0])
    total, weights = np.zeros(3), 0.0
    patch = held[at - 2 : at + 3, at - 2 : at + 3]
    for y in range(at - 5, at + 6):
        for x in range(at - 5, at + 6):
            apart = ((held[y - 2 : y + 3, x - 2 : x + 3] - patch) ** 2).mean()
            weight = np.exp(-max(apart - 2 * sigma**2, 0) / (0.8 * sigma) ** 2)
            total, weights = total + weight * held[y, x], weights + weight
    got = last(non_local_means(image, strength=0.8))[at, at]
    np.testing.assert_allclose(got, total / weights, atol=1e-9)


@pytest.mark.parametrize("size", [64, 37])
@pytest.mark.parametrize(("name", "low"), [("haar", HAAR), ("sym4", SYM4)])
@pytest.mark.filterwarnings("ignore:Level value")
def test_wavelet_coefficients_are_those_of_pywavelets_and_give_the_picture_back(
    name: str, low: tuple[float, ...], size: int
) -> None:
    plane = torch.rand(1, 1, size, size + 6, generator=torch.manual_seed(0)).double()
    approximation, details = decompose(plane, low, 3)
    expected, *levels = pywt.wavedec2(plane[0, 0].numpy(), name, mode="symmetric", level=3)
    np.testing.assert_allclose(approximation[0, 0].numpy(), expected, atol=1e-9)
    for ours, theirs in zip(details, reversed(levels), strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one[0, 0].numpy(), other, atol=1e-9)
    back = recompose(approximation, details, low, (size, size + 6))
    torch.testing.assert_close(back, plane, atol=1e-9, rtol=0)


@pytest.mark.parametrize("noise", [0, 0.04])
@pytest.mark.filterwarnings("ignore:The optional dask")
@pytest.mark.filterwarnings("ignore:Level value")
def test_wavelet_shrinkage_is_that_of_scikit_image(noise: float) -> None:
    image = pictures(1, 64, noise=0.05).double()
    options = {
        "sigma": noise or None, "mode": "soft", "method": "BayesShrink", "wavelet_levels": 3,
        "channel_axis": -1,
    }  # fmt: skip
    haar = denoise_wavelet(last(image), wavelet="haar", **options)
    np.testing.assert_allclose(last(wavelet_haar(image, noise=noise)), haar, atol=1e-7)
    spun = cycle_spin(
        last(image),
        denoise_wavelet,
        max_shifts=1,
        func_kw={"wavelet": "sym4", **options},
        channel_axis=-1,
    )
    np.testing.assert_allclose(last(wavelet_sym4(image, noise=noise)), spun, atol=1e-7)


def test_the_noise_of_a_picture_is_estimated_within_a_tenth() -> None:
    flat = torch.full((3, 3, 64, 64), 0.5)
    levels = torch.tensor([0.01, 0.03, 0.08])
    grain = torch.randn(flat.shape, generator=torch.manual_seed(0))
    got = estimate_noise(flat + grain * levels[:, None, None, None])
    torch.testing.assert_close(got, levels, rtol=0.1, atol=0)
