"""Equations 4 to 6 on masks of two and three regions, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from magdr_video.criteria import distances
from magdr_video.detection.calibration import CleanStatistics, standardise
from magdr_video.detection.distortion import (
    SMALLEST_SHARE,
    distortion_score,
    least_margin,
    region_margins,
    usable_regions,
)
from magdr_video.types import Masks
from tests.toys import halves, toy_statistics, toy_table

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


def target_of(masks: Masks) -> torch.Tensor:
    return torch.tensor(masks.target).expand(len(masks.data), -1)


def margins(z: torch.Tensor, masks: Masks) -> torch.Tensor:
    return region_margins(z, usable_regions(masks), target_of(masks))


def score(z: torch.Tensor, masks: Masks, *, two_sided: bool = False) -> torch.Tensor:
    return distortion_score(z, usable_regions(masks), target_of(masks), two_sided=two_sided)


def test_the_distance_of_a_region_is_the_mean_change_inside_it() -> None:
    crops = torch.full((1, 3, 16, 16), 0.5)
    draft = crops.clone()
    draft[..., :8] += 0.2
    got = distances(crops, draft, ("l1", "l2"), halves(1, 16).data)
    torch.testing.assert_close(got, torch.tensor([[[0.2, 0.04], [0.0, 0.0]]]))


def statistics(
    condition: tuple[float, ...], means: list[list[float]], spreads: list[list[float]]
) -> CleanStatistics:
    held = toy_statistics(2, 2, 2, condition=condition)
    held.distortion_mean[:] = torch.tensor(means)
    held.distortion_std[:] = torch.tensor(spreads)
    return held


def test_z_scores_are_taken_by_region_and_criterion() -> None:
    held = statistics((), [[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [4.0, 8.0]])
    table = toy_table(criteria=("l1", "l2"), statistics=(held,))
    raw = torch.tensor([[[3.0, 4.0], [5.0, 6.0]]])
    got = standardise(raw, table, "distortion", torch.zeros(1, 1))
    torch.testing.assert_close(got, torch.tensor([[[2.0, 1.0], [0.5, 0.25]]]))


def test_each_face_is_standardised_on_its_own_condition_and_else_on_all() -> None:
    flat = [[1.0, 1.0], [1.0, 1.0]]
    anything = statistics((), [[0.0, 0.0], [0.0, 0.0]], flat)
    blond = statistics((0.0, 1.0), [[4.0, 4.0], [4.0, 4.0]], flat)
    table = toy_table(criteria=("l1", "l2"), statistics=(anything, blond))
    condition = torch.tensor([[0.0, 1.0], [0.5, 1.0], [0.0, 1.0004]])
    got = standardise(torch.full((3, 2, 2), 5.0), table, "distortion", condition)
    assert got[:, 0, 0].tolist() == [1.0, 5.0, 1.0]


def test_a_margin_is_the_largest_excess_over_the_target_region() -> None:
    z = torch.tensor([[[1.0, 2.0], [4.0, 2.5], [0.0, 7.0]]])
    got = margins(z, three(target=(True, False, False)))
    assert got.tolist() == [[NOWHERE, 3.0, 5.0]]


def test_two_target_regions_are_averaged_into_one_benchmark_and_left_out() -> None:
    z = torch.tensor([[[1.0], [3.0], [5.0]]])
    got = margins(z, three(target=(True, True, False)))
    assert got.tolist() == [[NOWHERE, NOWHERE, 3.0]]


def test_without_a_target_the_clean_mean_is_the_benchmark() -> None:
    z = torch.tensor([[[1.0], [3.0], [-5.0]]])
    got = margins(z, three(target=(False, False, False)))
    assert got.tolist() == [[1.0, 3.0, -5.0]]


def test_a_target_too_small_to_judge_is_no_benchmark() -> None:
    z = torch.tensor([[[-9.0], [3.0], [5.0]]])
    got = margins(z, three(target=(True, False, False), sliver=True))
    assert got.tolist() == [[NOWHERE, 3.0, 5.0]]


def test_a_region_too_small_is_neither_flagged_nor_counted() -> None:
    masks = three(target=(False, False, True), sliver=True)
    assert SMALLEST_SHARE * 600 > 1
    assert usable_regions(masks).tolist() == [[False, True, True]]
    z = torch.tensor([[[99.0], [1.0], [0.0]]])
    assert margins(z, masks).tolist() == [[NOWHERE, 1.0, NOWHERE]]
    assert score(z, masks).item() == pytest.approx(1 / (1 + math.exp(-1)))


def test_the_score_is_the_mean_sigmoid_over_regions_and_criteria_without_the_target() -> None:
    z = torch.tensor([[[9.0, 9.0], [0.0, 2.0], [-1.0, 1.0]]])
    sigmoid = [1 / (1 + math.exp(-value)) for value in (0.0, 2.0, -1.0, 1.0)]
    got = score(z, three(target=(True, False, False)))
    assert got.item() == pytest.approx(sum(sigmoid) / 4)


def test_faces_are_judged_apart() -> None:
    masks = halves(2, 16, target=(True, False))
    z = torch.tensor([[[0.0], [1.0]], [[2.0], [8.0]]])
    assert margins(z, masks).tolist() == [[NOWHERE, 1.0], [NOWHERE, 6.0]]


def test_areas_are_shares_of_the_face_not_of_the_crop() -> None:
    data = torch.zeros(1, 4, 100, 100)
    data[:, 0, :4] = 1  # 400 px of face: half a percent of it is 2 px
    data[:, 1, 4, :2] = 1
    data[:, 2, 5, :1] = 1
    data[:, 3, 6:] = 1
    masks = Masks(data, ("skin", "hair", "neck_cloth", "background"), (False,) * 4)
    assert usable_regions(masks).tolist() == [[True, True, False, True]]


def test_the_nth_largest_margin_reaches_the_threshold_exactly_when_n_regions_do() -> None:
    held = torch.tensor([[NOWHERE, 3.0, 5.0, 1.0], [NOWHERE, NOWHERE, 9.0, NOWHERE]])
    assert least_margin(held, 1).tolist() == [5.0, 9.0]
    assert least_margin(held, 2).tolist() == [3.0, NOWHERE]
    assert least_margin(held, 5).tolist() == [NOWHERE, NOWHERE]


def test_a_nullified_output_counts_as_distorted_where_both_sides_count() -> None:
    masks = three(target=(True, False, False))
    z = torch.tensor([[[0.0], [-3.0], [-3.0]]])
    assert score(z, masks).item() == pytest.approx(1 / (1 + math.exp(3)))
    assert score(z, masks, two_sided=True).item() == pytest.approx(1 / (1 + math.exp(-3)))


def test_a_face_without_a_region_to_judge_scores_as_an_average_clean_one() -> None:
    z = torch.full((1, 3, 1), 50.0)
    assert score(z, three(target=(True, True, True))).item() == 0.5
