"""The figures of the `replace` card mean what they say."""

import numpy as np
import pytest
import torch

from magdr_video.models.cyclegan import CycleGAN
from magdr_video.training.persona import Persona
from magdr_video.training.replace_scores import (
    disruption,
    features_of,
    mean_pairwise,
    psnr,
    translate,
)

SIZE = 32


def _images(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def test_psnr_looks_only_where_the_weight_is() -> None:
    one = _images(2)
    other = one.copy()
    other[:, : SIZE // 2] = 255 - other[:, : SIZE // 2]
    weight = np.ones((2, SIZE, SIZE))
    weight[:, : SIZE // 2] = 0
    assert psnr(one, other, weight) == pytest.approx(100)
    assert psnr(one, other, 1 - weight) < 10


def test_psnr_of_a_known_error_is_exact() -> None:
    one = np.full((1, SIZE, SIZE, 3), 100, np.uint8)
    assert psnr(one, one + 10, np.ones((1, SIZE, SIZE))) == pytest.approx(28.13, abs=0.01)


def test_equal_faces_are_alike_and_independent_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 4000))
    unit = [v / np.linalg.norm(v) for v in values]
    assert mean_pairwise([unit[0]] * 3) == pytest.approx(1)
    assert abs(mean_pairwise(unit)) < 0.1


def test_features_ignore_the_light_and_see_the_face() -> None:
    points = np.random.default_rng(1).uniform(0.1, 0.9, (478, 2)).astype(np.float32)
    face, other = _images(2)
    persona = Persona(face, points, np.full((SIZE, SIZE, 3), 255, np.uint8))
    own = features_of(face, points, persona)
    dim = (face * 0.8).astype(np.uint8)
    assert own @ features_of(dim, points, persona) > 0.95
    assert own @ features_of(other, points, persona) < 0.5


def test_translation_in_parts_equals_translation_at_once() -> None:
    torch.manual_seed(0)
    net = CycleGAN(width=4, blocks=1, attention=True).eval()
    images = _images(10)
    one_by_one = np.concatenate([translate(net, image[None]) for image in images])
    assert np.abs(translate(net, images).astype(int) - one_by_one).max() <= 1


def test_a_generator_that_gives_a_constant_is_not_disrupted() -> None:
    torch.manual_seed(0)
    net = CycleGAN(width=4, blocks=1, attention=True).eval().requires_grad_(False)
    assert net.im_att is not None and net.im_reg is not None
    free = disruption(net, _images(2), np.ones((2, SIZE, SIZE), np.float32))
    for head in (net.im_att[1], net.im_reg[1]):
        head.weight.zero_()
    net.im_att[1].bias.fill_(-50)
    fixed = disruption(net, _images(2), np.ones((2, SIZE, SIZE), np.float32))
    assert free["disruption"] > 1e-3
    assert fixed["disruption"] < 1e-6
