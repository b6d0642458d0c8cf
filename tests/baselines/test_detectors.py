from __future__ import annotations

import functools
import math
from collections.abc import Callable

import pytest
import torch

from magdr_video.baselines.autoencoders import (
    AutoencoderRecipe,
    autoencoder_one,
    autoencoder_two,
    begin,
    fit_autoencoder,
    reform,
)
from magdr_video.baselines.magnet import MagNetDetector, divergence
from magdr_video.baselines.metzen import Metzen
from magdr_video.baselines.nnif import NnifProxy, nearest_distances
from magdr_video.baselines.otd import OutputDetector
from magdr_video.baselines.protocol import DetectorBaseline
from magdr_video.baselines.registry import DETECTORS
from magdr_video.baselines.safetynet import SafetyNet, quantise
from magdr_video.translation import Translator
from tests.baselines.doubles import (
    as_filed,
    signs,
    toy_condition,
    toy_material,
    toy_samples,
    toy_translator,
)
from tests.toys import pictures

SMALL: dict[str, Callable[[Translator], DetectorBaseline]] = {
    "safetynet": SafetyNet,
    "metzen": lambda t: Metzen(t, width=8, steps=40, batch=8, rate=5e-3),
    "magnet": lambda t: MagNetDetector(
        t, recipe=AutoencoderRecipe(steps=60, batch=4, patch=16, rate=1e-2)
    ),
    "otd": lambda t: OutputDetector(t, steps=10, batch=8, rate=1e-3),
    "nnif-proxy": lambda t: NnifProxy(t, neighbours=5),
}
"""Every detector with little to learn."""

STRONG = 0.4
"""A perturbation that nobody can miss: what is tested is the wiring, not the sharpness."""


@functools.cache
def fitted(name: str) -> DetectorBaseline:
    """Fitted once for all tests, which only read it."""
    translator = toy_translator()
    detector = SMALL[name](translator)
    material = toy_material(translator, epsilon=STRONG)
    detector.fit(material.clean, material.attacked)
    return detector


def test_every_detector_is_tried_here() -> None:
    assert SMALL.keys() == DETECTORS.keys()


@pytest.mark.parametrize("name", SMALL)
def test_a_fitted_detector_scores_attacked_faces_higher(name: str) -> None:
    # Not the very faces that were learned, for which a neighbour may lie at distance 0.
    translator = toy_translator()
    crops = toy_material(translator).clean.crops.roll(1, dims=3)
    kinds = [toy_samples(translator, x) for x in (crops, signs(crops, epsilon=STRONG, seed=9))]
    low, high = (fitted(name).score(s.crops, s.condition, s.draft) for s in kinds)
    assert low.shape == high.shape == (12,)
    above = (high[:, None] > low[None]).float().mean()
    assert float(above) > 0.75


@pytest.mark.parametrize("name", SMALL)
def test_a_restored_detector_scores_as_the_fitted_one(name: str) -> None:
    translator = toy_translator()
    detector, again = fitted(name), SMALL[name](translator)
    again.restore(as_filed(detector.state()))
    seen = toy_samples(translator, pictures(3, 32, seed=4))
    wanted = detector.score(seen.crops, seen.condition, seen.draft)
    torch.testing.assert_close(again.score(seen.crops, seen.condition, seen.draft), wanted)


@pytest.mark.parametrize("name", SMALL)
def test_no_faces_have_no_scores(name: str) -> None:
    none = torch.zeros(0, 3, 32, 32)
    assert fitted(name).score(none, toy_condition(0), none).shape == (0,)


@pytest.mark.parametrize("name", SMALL)
def test_a_detector_that_was_not_fitted_says_so(name: str) -> None:
    crops = pictures(1, 32)
    with pytest.raises(RuntimeError, match="has not been fitted"):
        SMALL[name](toy_translator()).score(crops, toy_condition(1), crops)


def test_a_code_is_the_share_of_levels_exceeded() -> None:
    levels = torch.tensor([[0.0, 10.0], [1.0, 20.0], [2.0, 30.0]])
    values = torch.tensor([[-1.0, 10.0], [0.5, 25.0], [9.0, 31.0]])
    wanted = torch.tensor([[0, 0], [1 / 3, 2 / 3], [1, 1]])
    torch.testing.assert_close(quantise(values, levels), wanted)


def test_neighbours_on_a_line_are_counted_by_hand() -> None:
    line = torch.tensor([[0.0], [3.0], [7.0]])
    found = nearest_distances(torch.tensor([[1.0]]), line, 2)
    torch.testing.assert_close(found, torch.tensor([[1.0, 2.0]]))
    own = nearest_distances(line, line, 2, own=True)
    torch.testing.assert_close(own, torch.tensor([[3.0, 7.0], [3.0, 4.0], [4.0, 7.0]]))


def test_a_training_face_leaves_out_its_own_counterpart() -> None:
    # Clean 0 and 10, attacked 1 and 11: the counterpart at 1 must not count as a neighbour.
    detector = NnifProxy(toy_translator(), neighbours=1)
    clean, attacked = torch.tensor([[0.0], [10.0]]), torch.tensor([[1.0], [11.0]])
    detector.restore({"clean": clean, "attacked": attacked})
    found = detector._distances(clean, own=True)
    torch.testing.assert_close(found, torch.tensor([[10.0, 11.0], [10.0, 9.0]]))


def test_fewer_faces_than_neighbours_are_enough() -> None:
    translator = toy_translator()
    material = toy_material(translator, count=6)
    detector = NnifProxy(translator, neighbours=50)
    detector.fit(material.clean, material.attacked)
    seen = material.clean
    assert detector.score(seen.crops, seen.condition, seen.draft).isfinite().all()


def test_the_divergence_of_two_known_distributions() -> None:
    p, q = (0.5, 0.5), (0.9, 0.1)
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    wanted = sum(
        sum(a * math.log(a / m) for a, m in zip(held, middle, strict=True)) / 2 for held in (p, q)
    )
    first, second = (torch.tensor(held).log().reshape(1, 2, 1, 1) for held in (p, q))
    assert float(divergence(first, second, 1.0)) == pytest.approx(wanted, rel=1e-5)
    assert float(divergence(first * 10, second * 10, 10.0)) == pytest.approx(wanted, rel=1e-5)
    assert float(divergence(first, first, 10.0)) == pytest.approx(0, abs=1e-7)


def test_the_auto_encoders_are_those_of_the_paper() -> None:
    convolution = 3 * 3 * 3 * 3 + 3
    for net, count in ((autoencoder_one(), 5), (autoencoder_two(), 3)):
        assert sum(p.numel() for p in net.parameters()) == count * convolution
        assert net(torch.rand(2, 3, 16, 16)).shape == (2, 3, 16, 16)


def test_training_brings_an_auto_encoder_closer_to_clean_faces() -> None:
    faces = pictures(8, 32)
    errors = []
    for steps in (0, 60):
        net = autoencoder_two()
        fit_autoencoder(net, faces, AutoencoderRecipe(steps, batch=4, patch=16, rate=1e-2))
        errors.append(float((reform(net, faces) - faces).square().mean()))
    assert errors[1] < errors[0] * 0.8


def test_auto_encoders_of_sigmoids_begin_near_the_identity() -> None:
    # A middling grey stays, and a little more in comes out as a little more.
    net = autoencoder_two()
    begin(net, 0)
    levels = torch.tensor([0.5, 0.55])[:, None, None, None].expand(2, 3, 8, 8)
    low, high = net(levels)[:, :, 4, 4].mean(dim=1).tolist()
    assert low == pytest.approx(0.5, abs=0.01)
    assert high - low == pytest.approx(0.05, abs=0.03)


def test_magnet_learns_nothing_from_attacked_faces() -> None:
    translator = toy_translator()
    material = toy_material(translator)
    states = []
    for attacked in (material.attacked, material.clean):
        detector = SMALL["magnet"](translator)
        detector.fit(material.clean, attacked)
        states.append(detector.state())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_magnet_flags_a_face_beyond_the_limit_of_one_detector() -> None:
    translator = toy_translator()
    detector = SMALL["magnet"](translator)
    assert isinstance(detector, MagNetDetector)
    material = toy_material(translator)
    detector.fit(material.clean, material.attacked)
    state = detector.state()
    seen = detector.marks(material.clean.crops, material.clean.condition)
    torch.testing.assert_close(state["limit"], seen.max(dim=0).values)
    scores = detector.score(material.clean.crops, material.clean.condition, material.clean.draft)
    assert float(scores.max()) == pytest.approx(detector.own_threshold, rel=1e-4)
