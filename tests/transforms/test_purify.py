"""The learned purifier as a transform: strength, residual, gradients, loading."""

from __future__ import annotations

import importlib

import pytest
import torch

from magdr_video.models import zoo
from magdr_video.models.purifier import Purifier
from magdr_video.transforms.purify import evidence, purify, residual
from tests.toys import pictures


def test_strength_scales_what_is_taken_out() -> None:
    images = pictures(2, noise=0.03) * 0.6 + 0.2
    with torch.no_grad():
        taken = images - purify(images, strength=1.0)
        half = images - purify(images, strength=0.5)
    assert taken.abs().max() > 1e-4
    torch.testing.assert_close(half * 2, taken, atol=1e-6, rtol=0)


def test_the_evidence_of_a_face_is_its_own_and_what_the_gate_lets_through_follows_from_it() -> None:
    images = pictures(3, 36, noise=0.02)
    with torch.no_grad():
        found, odds = evidence(images).unbind(dim=1)
        through = residual(images).flatten(1).pow(2).mean(dim=1).sqrt()
        alone = torch.cat([evidence(one[None]) for one in images])
    torch.testing.assert_close(found * odds.sigmoid(), through, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(alone[:, 0], found, atol=1e-6, rtol=1e-4)
    torch.testing.assert_close(alone[:, 1], odds, atol=1e-3, rtol=1e-3)
    assert evidence(images[:0]).shape == (0, 2)
    assert residual(images[:0]).shape == (0, 3, 36, 36)


def test_without_the_gate_all_that_was_found_is_taken_out() -> None:
    images = pictures(2, noise=0.03) * 0.6 + 0.2
    with torch.no_grad():
        taken = images - purify(images, strength=1.0, gate=0)
        found, odds = evidence(images).unbind(dim=1)
    size = taken.flatten(1).pow(2).mean(dim=1).sqrt()
    torch.testing.assert_close(size, found, atol=1e-6, rtol=1e-4)
    gated = images - purify(images, strength=1.0)
    torch.testing.assert_close(
        gated, taken * odds.sigmoid()[:, None, None, None], atol=1e-6, rtol=0
    )


def test_an_attacker_gets_the_slope_of_the_evidence() -> None:
    images = pictures(1, 36, noise=0.02).requires_grad_(True)
    evidence(images).sum().backward()  # type: ignore[no-untyped-call]
    assert images.grad is not None and (images.grad != 0).any() and images.grad.isfinite().all()


def test_the_residual_is_half_of_that_in_the_models_range() -> None:
    images = pictures(1)
    network = zoo.load("purifier")
    assert isinstance(network, Purifier)
    with torch.no_grad():
        torch.testing.assert_close(residual(images), network(images * 2 - 1) / 2, atol=1e-6, rtol=0)


def test_gradients_are_those_of_finite_differences() -> None:
    image = (pictures(1, 24, noise=0.02) * 0.6 + 0.2).requires_grad_(True)
    draw = torch.Generator().manual_seed(0)
    along, weights = (torch.randn(image.shape, generator=draw) for _ in range(2))
    (gradient,) = torch.autograd.grad((purify(image, strength=1.0) * weights).sum(), image)
    with torch.no_grad():
        ahead, behind = (
            (purify(image + sign * 1e-3 * along, strength=1.0).double() * weights).sum()
            for sign in (1, -1)
        )
    expected = float((ahead - behind) / 2e-3)
    assert float((gradient * along).sum()) == pytest.approx(expected, rel=0.03, abs=0.3)


def test_the_network_is_loaded_once_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []

    def counted(name: str, device: torch.device) -> torch.nn.Module:
        loads.append((name, device))
        return zoo.load(name, device)

    # By its path: in the package the name is that of the function.
    room = importlib.import_module("magdr_video.transforms.purify")
    monkeypatch.setattr(room, "load", counted)
    room._network.cache_clear()
    evidence(pictures(1))
    residual(pictures(2))
    assert loads == [("purifier", torch.device("cpu"))]
