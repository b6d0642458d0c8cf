"""The trainings' attack keeps its bound, and in frames reaches more than one that is cut down."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magdr_video.training.attacked_faces import EPSILON, attack
from magdr_video.training.framed_faces import drawn_way
from magdr_video.translation import Translator, load_translator
from tests.toys import pictures


@pytest.fixture(scope="module")
def translator() -> Translator:
    return load_translator("stargan-synthetic")


@pytest.mark.slow
def test_an_attack_in_frames_arrives_better_than_one_that_is_laid_there(
    translator: Translator,
) -> None:
    faces = pictures(1, 128)
    condition = torch.tensor([[1.0, 0.0, 0.0, 0.0, 0.0]])
    plain = attack(translator, faces, condition, 7)
    framed = attack(translator, faces, condition, 7, in_frame=True)
    way = drawn_way(faces, np.random.default_rng((7, 0)))
    assert (plain - faces).abs().max() <= EPSILON / 2 + 1e-5
    # Luma and chroma are averaged over different pixels, so that a channel may exceed the bound.
    assert (framed - faces).abs().max() <= EPSILON
    assert ((framed * 255) - (framed * 255).round()).abs().max() < 1e-3
    with torch.no_grad():
        clean, laid, reached = (
            translator.translate(x, condition) for x in (faces, way(plain), framed)
        )
    assert (reached - clean).square().mean() > (laid - clean).square().mean()
