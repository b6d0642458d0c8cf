"""Equation 7 by hand: the spread and the mean of what small changes of the input do."""

from __future__ import annotations

import pytest
import torch

from magdr_video.criteria import distances
from magdr_video.detection.consistency import consistency_distances, consistency_scores
from magdr_video.transforms import apply_chain
from tests.toys import ToyGenerator, pictures, toy_table


def test_every_face_is_compared_with_its_own_translation_after_each_change() -> None:
    generator, table = ToyGenerator(), toy_table()
    crops, condition = pictures(3, noise=0.05), torch.tensor([[-1.0], [0.0], [1.0]])
    draft = generator(crops, condition)
    got = consistency_distances(crops, condition, draft, generator, table)
    assert got.shape == (3, 2, 3)
    for face in range(3):
        for k, chain in enumerate(table.transforms):
            one = slice(face, face + 1)
            again = generator(apply_chain(crops[one], chain), condition[one])
            expected = distances(draft[one], again, table.criteria)[0, 0]
            torch.testing.assert_close(got[face, k], expected, atol=1e-5, rtol=1e-4)


def test_a_generator_deaf_to_its_input_is_consistent() -> None:
    crops, condition, table = pictures(2), torch.zeros(2, 1), toy_table()
    deaf = torch.full_like(crops, 0.5)
    got = consistency_distances(crops, condition, deaf, lambda x, c: torch.full_like(x, 0.5), table)
    assert got.abs().max() < 1e-6


def test_sigma_is_the_spread_over_transforms_and_mu_the_mean_both_averaged_over_criteria() -> None:
    table = toy_table(criteria=("l1", "l2"))
    raw = torch.tensor([[[1.0, 10.0], [3.0, 10.0]], [[2.0, 0.0], [2.0, 4.0]]])
    sigma, mu = consistency_scores(raw, table)
    assert sigma.tolist() == pytest.approx([(1 + 0) / 2, (0 + 2) / 2])
    assert mu.tolist() == pytest.approx([6.0, 2.0])


def test_distances_are_standardised_by_transform_and_criterion_first() -> None:
    table = toy_table(criteria=("l1",))
    table.consistency_mean[:] = torch.tensor([[1.0], [2.0]])
    table.consistency_std[:] = torch.tensor([[0.5], [0.25]])
    sigma, mu = consistency_scores(torch.tensor([[[2.0], [3.0]]]), table)
    assert sigma.item() == pytest.approx(1.0)
    assert mu.item() == pytest.approx(3.0)
