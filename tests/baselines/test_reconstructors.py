from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from magdr_video.baselines.autoencoders import (
    AutoencoderRecipe,
    begin,
    face_autoencoder,
    reform,
)
from magdr_video.baselines.magnet import MagNetReformer
from magdr_video.baselines.menet import MeNet, keep_largest, side_by_side
from magdr_video.baselines.pixel_deflection import deflect, deflections_at
from magdr_video.baselines.protocol import TrainedReconstructor
from magdr_video.baselines.super_resolution import (
    EnlargingRecipe,
    SuperResolutionDefence,
    SuperResolutionThroughJpeg,
    fit_enlarging,
)
from magdr_video.baselines.ycbcr_wavelet import wavelet_ycbcr
from magdr_video.models.super_resolution import untrained
from magdr_video.transforms import jpeg
from magdr_video.translation import Translator
from tests.baselines.doubles import (
    as_filed,
    toy_condition,
    toy_material,
    toy_translator,
)
from tests.toys import decibels, pictures

TINY = EnlargingRecipe(width=4, blocks=1, steps=4, batch=2, patch=16)

SMALL: dict[str, Callable[[Translator], TrainedReconstructor]] = {
    "magnet-reformer": lambda _: MagNetReformer(
        width=8, recipe=AutoencoderRecipe(steps=6, batch=2, patch=16, noise=(0.025, 0.1))
    ),
    "super-resolution": lambda _: SuperResolutionDefence(recipe=TINY),
    "super-resolution-jpeg": lambda _: SuperResolutionThroughJpeg(recipe=TINY),
}
"""The reconstructors that learn, with little to learn."""


@pytest.mark.parametrize("name", SMALL)
def test_a_trained_reconstructor_keeps_shape_and_range(name: str) -> None:
    translator = toy_translator()
    baseline = SMALL[name](translator)
    baseline.fit(toy_material(translator))
    crops = pictures(3, 32)
    out = baseline.reconstruct(crops)
    assert out.shape == crops.shape
    assert 0 <= float(out.min()) <= float(out.max()) <= 1
    assert baseline.reconstruct(crops[:0]).shape == (0, 3, 32, 32)
    torch.testing.assert_close(out[1:2], baseline.reconstruct(crops[1:2]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", SMALL)
def test_a_restored_reconstructor_is_the_trained_one(name: str) -> None:
    translator = toy_translator()
    baseline, again = SMALL[name](translator), SMALL[name](translator)
    baseline.fit(toy_material(translator))
    again.restore(as_filed(baseline.state()))
    crops, condition = pictures(2, 32), toy_condition(2)
    wanted = baseline.translate(translator.translate, crops, condition)
    torch.testing.assert_close(again.translate(translator.translate, crops, condition), wanted)


@pytest.mark.parametrize("name", SMALL)
def test_a_reconstructor_that_was_not_trained_says_so(name: str) -> None:
    with pytest.raises(RuntimeError, match="has not been trained"):
        SMALL[name](toy_translator()).reconstruct(pictures(1, 32))


def test_the_reformer_begins_at_the_identity() -> None:
    net = face_autoencoder(8)
    begin(net, 0)
    crops = pictures(2, 32, noise=0.05)
    torch.testing.assert_close(reform(net, crops), crops, atol=1e-6, rtol=0)


def test_deflections_follow_the_area() -> None:
    assert [deflections_at(size) for size in (128, 256, 299)] == [37, 147, 200]


def test_a_deflection_takes_a_value_from_the_window() -> None:
    # Each value is its own place, so that it tells where it came from.
    numbers = torch.arange(3 * 20 * 20.0).reshape(1, 3, 20, 20)
    moved = deflect(numbers, 30, 4, torch.Generator().manual_seed(3))
    places = (moved != numbers).nonzero()
    assert 20 <= len(places) <= 30
    for _, channel, y, x in places.tolist():
        came = int(moved[0, channel, y, x])
        assert came // 400 == channel
        # A value may have been deflected to its source before: two windows at the most here.
        assert abs(came % 400 // 20 - y) <= 8
        assert abs(came % 20 - x) <= 8


def test_the_wavelets_are_those_of_the_published_code() -> None:
    restoration = pytest.importorskip("skimage.restoration")
    pytest.importorskip("pywt")
    noisy = pictures(1, 64, noise=0.03).double()
    matrix = np.array(
        [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    )
    planes = np.einsum("ij,jhw->ihw", matrix, noisy[0].numpy())
    for plane in planes:
        low, reach = plane.min(), np.ptp(plane)
        shrunk = restoration.denoise_wavelet(
            (plane - low) / reach, sigma=0.04, wavelet="haar", wavelet_levels=3, mode="soft"
        )
        plane[:] = np.clip(shrunk, 0, 1) * reach + low
    wanted = np.einsum("ij,jhw->ihw", np.linalg.inv(matrix), planes).clip(0, 1)
    found = wavelet_ycbcr(noisy, sigma=0.04)[0].numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_the_wavelets_bring_a_noisy_picture_nearer() -> None:
    clean, noisy = pictures(2, 64), pictures(2, 64, noise=0.03)
    assert decibels(wavelet_ycbcr(noisy, sigma=0.04), clean) > decibels(noisy, clean) + 2


def test_the_largest_singular_values_stay() -> None:
    matrix = torch.zeros(1, 3, 5)
    matrix[0, 0, 1], matrix[0, 1, 0], matrix[0, 2, 4] = 3.0, -2.0, 1.0
    wanted = matrix.clone()
    wanted[0, 2, 4] = 0
    torch.testing.assert_close(keep_largest(matrix, 0.7), wanted, atol=1e-6, rtol=0)
    torch.testing.assert_close(keep_largest(matrix, 1.0), matrix, atol=1e-6, rtol=0)


def test_colours_lie_side_by_side_and_come_back() -> None:
    image = torch.arange(12.0).reshape(1, 3, 2, 2)
    wanted = torch.tensor([[[0.0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11]]])
    assert torch.equal(side_by_side(image), wanted)
    whole = MeNet(least=1.0, most=1.0, masks=1, share=1.0)
    crops = pictures(2, 16)
    torch.testing.assert_close(whole.reconstruct(crops), crops, atol=1e-5, rtol=0)


def test_dropped_values_are_made_up_for() -> None:
    # One dropped value in ten, each kept one divided by the share that was seen.
    flat = torch.full((1, 3, 64, 64), 0.8)
    out = MeNet(least=0.9, most=0.9, share=0.05).reconstruct(flat)
    assert float(out.mean()) == pytest.approx(0.8, abs=0.01)
    assert float(out.std()) < 0.02


def test_an_untrained_enlargement_is_bicubic() -> None:
    crops = pictures(2, 16)
    wanted = F.interpolate(crops, scale_factor=2, mode="bicubic", align_corners=False)
    torch.testing.assert_close(untrained(4, 1, 0)(crops), wanted)


def test_training_brings_an_enlargement_nearer_to_the_detail() -> None:
    faces = pictures(6, 64, noise=0.0)
    faces = (faces * 6).sin() / 2 + 0.5
    small = F.avg_pool2d(faces, 2)
    errors = []
    for steps in (0, 60):
        net = untrained(8, 1, 0)
        fit_enlarging(net, faces, EnlargingRecipe(8, 1, steps, batch=4, patch=16, rate=3e-3))
        errors.append(float((net(small) - faces).abs().mean().detach()))
    assert errors[1] < errors[0] * 0.9


def test_the_jpeg_file_lies_between_filter_and_network() -> None:
    translator = toy_translator()
    material = toy_material(translator)
    plain, filed = SuperResolutionDefence(recipe=TINY), SuperResolutionThroughJpeg(recipe=TINY)
    plain.fit(material)
    filed.restore(plain.state())
    crops = pictures(1, 32, noise=0.02)
    again = SuperResolutionDefence(sigma=0.0001, recipe=TINY)
    again.restore(plain.state())
    through = jpeg(wavelet_ycbcr(crops, sigma=0.01), quality=75)
    assert decibels(filed.reconstruct(crops), again.reconstruct(through)) > 45
    assert decibels(filed.reconstruct(crops), plain.reconstruct(crops)) < 45


def test_a_users_network_takes_the_place_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def double(images: torch.Tensor) -> torch.Tensor:
        return F.interpolate(images, scale_factor=2, mode="nearest") * 0.5

    monkeypatch.setattr("magdr_video.baselines.super_resolution.load_upscaler", lambda *_: double)
    baseline = SuperResolutionDefence(weights=Path("own.pth"))
    baseline.fit(toy_material(toy_translator()))
    crops = pictures(1, 32)
    wanted = wavelet_ycbcr(crops, sigma=0.01) * 0.5
    torch.testing.assert_close(baseline.reconstruct(crops), wanted, atol=1e-5, rtol=0)
    assert baseline.parameters["network"] == "own.pth"
