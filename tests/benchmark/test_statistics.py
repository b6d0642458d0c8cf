"""Intervals and detection figures against hand-computed cases."""

from __future__ import annotations

import math

import pytest
import torch

from magdr_video.benchmark.statistics import (
    auroc,
    auroc_estimate,
    decisions,
    estimate,
    f1_at,
    f1_estimate,
    roc,
    true_positive_rate,
)


def test_an_interval_holds_the_mean_and_narrows_with_more_samples() -> None:
    draw = torch.Generator().manual_seed(0)
    few, many = torch.randn(10, generator=draw), torch.randn(1000, generator=draw)
    for values in (few, many):
        held = estimate(values)
        assert held.low < held.mean < held.high
    assert estimate(many).high - estimate(many).low < (estimate(few).high - estimate(few).low) / 3


def test_samples_without_a_value_are_left_out() -> None:
    held = estimate(torch.tensor([1.0, float("nan"), 3.0]))
    assert (held.mean, held.count) == (2.0, 2)
    assert math.isnan(estimate(torch.tensor([float("nan")])).mean)


def test_the_same_seed_gives_the_same_interval() -> None:
    values = torch.rand(7, generator=torch.Generator().manual_seed(1))
    assert estimate(values, 3) == estimate(values, 3)
    assert estimate(values, 3) != estimate(values, 5)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    negatives, positives = torch.tensor([0.0, 2.0]), torch.tensor([1.0, 2.0, 3.0])
    assert auroc(negatives, positives) == pytest.approx((1 + 0 + 1 + 0.5 + 1 + 1) / 6)
    held = auroc_estimate(negatives, positives)
    assert held.mean == pytest.approx(auroc(negatives, positives))
    assert held.low <= held.mean <= held.high


def test_a_threshold_for_one_percent_lets_none_of_a_few_negatives_through() -> None:
    negatives, positives = torch.tensor([0.0, 1.0, 5.0]), torch.tensor([2.0, 6.0])
    assert true_positive_rate(negatives, positives, 0.01) == 0.5
    assert true_positive_rate(negatives, positives, 0.34) == 1.0


def test_always_disrupted_has_the_f1_that_the_protocol_names() -> None:
    everything = torch.ones(20, dtype=torch.bool)
    held = decisions(everything, everything)
    assert held.f1 == pytest.approx(2 / 3)
    assert (held.recall, held.precision, held.accuracy) == (1.0, 0.5, 0.5)
    assert held.macro_f1 == pytest.approx(1 / 3)


def test_decisions_of_a_hand_computed_case() -> None:
    clean = torch.tensor([True, False, False, False])
    attacked = torch.tensor([True, True, True, False])
    held = decisions(clean, attacked)
    assert held.precision == pytest.approx(0.75)
    assert held.recall == pytest.approx(0.75)
    assert held.f1 == pytest.approx(0.75)
    assert held.macro_f1 == pytest.approx(0.75)
    assert held.false_positive_rate == 0.25
    interval = f1_estimate(clean, attacked)
    assert interval.low < 0.75 < interval.high


def test_classes_weigh_alike_whatever_their_sizes() -> None:
    clean = torch.tensor([True, False] * 50)
    attacked = torch.tensor([True, False])
    assert decisions(clean, attacked).precision == pytest.approx(0.5)


def test_a_roc_curve_runs_from_corner_to_corner() -> None:
    points = roc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0]))
    assert points == [(0.0, 0.0), (0.0, 0.5), (0.5, 1.0), (1.0, 1.0)]


def test_f1_at_a_rate_lets_that_share_of_negatives_through_and_no_more() -> None:
    negatives = torch.arange(200.0)
    positives = torch.tensor([197.5, 198.5, 199.5, 300.0])
    # Two of 200 negatives may pass: the threshold is 197.
    assert f1_at(negatives, positives, 0.01).mean == pytest.approx(2 / (2 + 0.01))
    # None of 50 may: the threshold is their highest.
    few = f1_at(negatives[-50:], positives, 0.01)
    assert few.mean == pytest.approx(2 * 0.5 / (0.5 + 1))
    assert few.low < few.mean < few.high
