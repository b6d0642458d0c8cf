"""Equation 7 by hand: the spread and the mean of what small changes of the input do."""

from __future__ import annotations

import pytest
import torch

from magdr_video.criteria import distances
from magdr_video.detection.calibration import standardise
from magdr_video.detection.consistency import consistency_scores, generate_changed
from magdr_video.detection.measurement import Measurement, measure
from magdr_video.transforms import apply_chain
from tests.toys import ToyGenerator, halves, pictures, toy_statistics, toy_table


def measured(crops: torch.Tensor, condition: torch.Tensor) -> Measurement:
    table = toy_table()
    return measure(
        ToyGenerator(),
        crops,
        halves(len(crops)),
        condition,
        transforms=table.transforms,
        criteria=table.criteria,
    )


def test_every_face_is_compared_with_its_own_translation_after_each_change() -> None:
    generator, table = ToyGenerator(), toy_table()
    crops, condition = pictures(3, noise=0.05), torch.tensor([[-1.0], [0.0], [1.0]])
    got = measured(crops, condition).consistency
    assert got.shape == (3, 2, 3)
    for face in range(3):
        for k, chain in enumerate(table.transforms):
            one = slice(face, face + 1)
            draft = generator(crops[one], condition[one])
            again = generator(apply_chain(crops[one], chain), condition[one])
            expected = distances(draft, again, table.criteria)[0, 0]
            torch.testing.assert_close(got[face, k], expected, atol=1e-5, rtol=1e-4)


def test_changed_copies_are_translated_under_the_condition_of_their_own_face() -> None:
    condition = torch.tensor([[1.0], [2.0]])
    changed = torch.zeros(3, 2, 3, 4, 4)
    got = generate_changed(lambda x, c: x + c[:, :1, None, None], changed, condition)
    assert got[:, 0].unique().tolist() == [1.0]
    assert got[:, 1].unique().tolist() == [2.0]


def test_a_generator_deaf_to_its_input_is_consistent() -> None:
    crops, condition, table = pictures(2), torch.zeros(2, 1), toy_table()
    got = measure(
        lambda x, c: torch.full_like(x, 0.5),
        crops,
        halves(2),
        condition,
        transforms=table.transforms,
        criteria=table.criteria,
    )
    assert got.consistency.abs().max() < 1e-6
    assert got.control.abs().max() < 1e-6


def test_sigma_is_the_spread_over_transforms_and_mu_the_mean_both_averaged_over_criteria() -> None:
    z = torch.tensor([[[1.0, 10.0], [3.0, 10.0]], [[2.0, 0.0], [2.0, 4.0]]])
    sigma, mu = consistency_scores(z)
    assert sigma.tolist() == pytest.approx([(1 + 0) / 2, (0 + 2) / 2])
    assert mu.tolist() == pytest.approx([6.0, 2.0])


def test_distances_are_standardised_by_transform_and_criterion() -> None:
    held = toy_statistics(2, 2, 1)
    held.consistency_mean[:] = torch.tensor([[1.0], [2.0]])
    held.consistency_std[:] = torch.tensor([[0.5], [0.25]])
    table = toy_table(criteria=("l1",), statistics=(held,))
    z = standardise(torch.tensor([[[2.0], [3.0]]]), table, "consistency", torch.zeros(1, 1))
    sigma, mu = consistency_scores(z)
    assert sigma.item() == pytest.approx(1.0)
    assert mu.item() == pytest.approx(3.0)
