"""Equations 4 to 6 on masks of two and three regions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from magdr_video.detection.distortion import (
    LEAST_AREA,
    distortion_score,
    region_distances,
    region_margins,
    standardise,
    usable_regions,
)
from magdr_video.types import Masks
from tests.toys import halves, toy_table

NOWHERE = -math.inf


def three(*, target: tuple[bool, bool, bool], sliver: bool = False) -> Masks:
    """Rows of a 40 px crop: 10, 10 and 20; with `sliver` the first region is one pixel."""
    data = torch.zeros(1, 3, 40, 40)
    data[:, 0, :10] = 1
    data[:, 1, 10:20] = 1
    data[:, 2, 20:] = 1
    if sliver:
        data[:, 0] = 0
        data[:, 0, 0, 0] = 1
    return Masks(data, ("hair", "nose", "rest"), target)


def test_the_distance_of_a_region_is_the_mean_change_inside_it() -> None:
    crops = torch.full((1, 3, 16, 16), 0.5)
    draft = crops.clone()
    draft[..., :8] += 0.2
    got = region_distances(crops, draft, halves(1, 16), ("l1", "l2"))
    torch.testing.assert_close(got, torch.tensor([[[0.2, 0.04], [0.0, 0.0]]]))


def test_z_scores_are_taken_by_region_and_criterion() -> None:
    table = toy_table(criteria=("l1", "l2"))
    table.distortion_mean[:] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    table.distortion_std[:] = torch.tensor([[1.0, 2.0], [4.0, 8.0]])
    got = standardise(torch.tensor([[[3.0, 4.0], [5.0, 6.0]]]), table)
    torch.testing.assert_close(got, torch.tensor([[[2.0, 1.0], [0.5, 0.25]]]))


def test_a_margin_is_the_largest_excess_over_the_target_region() -> None:
    z = torch.tensor([[[1.0, 2.0], [4.0, 2.5], [0.0, 7.0]]])
    got = region_margins(z, three(target=(True, False, False)))
    assert got.tolist() == [[NOWHERE, 3.0, 5.0]]


def test_two_target_regions_are_averaged_into_one_benchmark_and_left_out() -> None:
    z = torch.tensor([[[1.0], [3.0], [5.0]]])
    got = region_margins(z, three(target=(True, True, False)))
    assert got.tolist() == [[NOWHERE, NOWHERE, 3.0]]


def test_without_a_target_the_clean_mean_is_the_benchmark() -> None:
    z = torch.tensor([[[1.0], [3.0], [-5.0]]])
    got = region_margins(z, three(target=(False, False, False)))
    assert got.tolist() == [[1.0, 3.0, -5.0]]


def test_a_target_too_small_to_judge_is_no_benchmark() -> None:
    z = torch.tensor([[[-9.0], [3.0], [5.0]]])
    got = region_margins(z, three(target=(True, False, False), sliver=True))
    assert got.tolist() == [[NOWHERE, 3.0, 5.0]]


def test_a_region_too_small_is_neither_flagged_nor_counted() -> None:
    masks = three(target=(False, False, True), sliver=True)
    assert LEAST_AREA > 1 / 1600
    assert usable_regions(masks).tolist() == [[False, True, True]]
    z = torch.tensor([[[99.0], [1.0], [0.0]]])
    assert region_margins(z, masks).tolist() == [[NOWHERE, 1.0, NOWHERE]]
    assert distortion_score(z, masks).item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_the_score_is_the_mean_sigmoid_over_regions_and_criteria_without_the_target() -> None:
    z = torch.tensor([[[9.0, 9.0], [0.0, 2.0], [-1.0, 1.0]]])
    sigmoid = [1 / (1 + math.exp(-value)) for value in (0.0, 2.0, -1.0, 1.0)]
    got = distortion_score(z, three(target=(True, False, False)))
    assert got.item() == pytest.approx(sum(sigmoid) / 4)


def test_faces_are_judged_apart() -> None:
    masks = halves(2, 16, target=(True, False))
    z = torch.tensor([[[0.0], [1.0]], [[2.0], [8.0]]])
    assert region_margins(z, masks).tolist() == [[NOWHERE, 1.0], [NOWHERE, 6.0]]
