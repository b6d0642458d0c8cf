"""Fitting a table: classes told apart, thresholds by clean faces alone, conditions drawn."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from magdr_video.detection.detector import judge
from magdr_video.detection.measurement import Measurement, measure, pick
from magdr_video.faces.regions import REGIONS, target_regions
from magdr_video.models.conditions import ACTION_UNITS, ATTRIBUTES, condition_for_edit
from magdr_video.training.calibration_fit import (
    CLASSES,
    fit_scores,
    fit_statistics,
    fit_thresholds,
    threshold,
)
from magdr_video.training.calibration_report import (
    DECIDERS,
    HARD,
    auroc,
    f1_binary,
    held_out_lines,
    own_threshold,
    rate_bound,
)
from magdr_video.training.drawn_conditions import draw_conditions, single_edits
from magdr_video.training.logistic import fit_logistic
from tests.toys import ToyGenerator, halves, pictures, toy_table


def test_the_logistic_regression_finds_the_odds_that_made_the_labels() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(6000, 2, generator=draw) * torch.tensor([1.0, 10.0]) + 3
    logit = 2 * (x[:, 0] - 3) - 0.1 * (x[:, 1] - 3)
    y = (torch.rand(6000, generator=draw) < logit.sigmoid()).long()
    weights, biases = fit_logistic(x, y, ridge=1e-6)
    slope, offset = weights[1] - weights[0], biases[1] - biases[0]
    torch.testing.assert_close(slope, torch.tensor([2.0, -0.1]), atol=0.15, rtol=0)
    assert float(offset + slope @ torch.full((2,), 3.0)) == pytest.approx(0, abs=0.1)


def test_a_class_is_counted_alike_however_many_faces_it_has() -> None:
    x = torch.cat([torch.linspace(-2, 1, 30), torch.linspace(-1, 2, 300)])[:, None]
    y = torch.cat([torch.zeros(30), torch.ones(300)]).long()
    weights, biases = fit_logistic(x, y)
    even = -(biases[1] - biases[0]) / (weights[1, 0] - weights[0, 0])
    assert float(even) == pytest.approx(0, abs=0.02)


def test_a_column_that_never_changes_weighs_nothing() -> None:
    x = torch.stack([torch.linspace(-1, 1, 40), torch.full((40,), 7.0)], dim=1)
    weights, biases = fit_logistic(x, (x[:, 0] > 0).long())
    assert weights[:, 1].tolist() == [0, 0]
    assert biases.isfinite().all()


def test_an_absent_class_is_refused() -> None:
    with pytest.raises(ValueError, match="every class"):
        fit_logistic(torch.randn(4, 1), torch.tensor([0, 0, 2, 2]))


@pytest.mark.parametrize(("count", "flagged"), [(300, 3), (99, 0), (100, 1), (1, 0)])
def test_at_most_one_clean_score_in_a_hundred_reaches_the_threshold(
    count: int, flagged: int
) -> None:
    scores = torch.randperm(count, generator=torch.Generator().manual_seed(1)).float()
    assert int((scores >= threshold(scores)).sum()) == flagged


def test_equal_scores_are_let_through_together() -> None:
    assert not (torch.zeros(200) >= threshold(torch.zeros(200))).any()


def faces(count: int, *, noise: float, seed: int, condition: float = 0.0) -> Measurement:
    table = toy_table()
    return measure(
        ToyGenerator(),
        pictures(count, noise=noise, seed=seed),
        halves(count),
        torch.full((count, 1), condition),
        transforms=table.transforms,
        criteria=table.criteria,
    )


def test_a_condition_has_its_own_statistics_from_enough_faces_on() -> None:
    many, few = faces(6, noise=0.0, seed=1, condition=1.0), faces(3, noise=0.0, seed=2)
    held = Measurement(
        **{
            field.name: torch.cat([getattr(many, field.name), getattr(few, field.name)])
            for field in dataclasses.fields(Measurement)
        }
    )
    everything, own = fit_statistics(held, least=5)
    assert (everything.condition, everything.faces) == ((), 9)
    assert (own.condition, own.faces) == ((1.0,), 6)
    torch.testing.assert_close(own.consistency_mean, many.consistency.mean(0))
    torch.testing.assert_close(everything.distortion_mean, held.regional.mean(0))


def test_fitted_thresholds_let_clean_faces_pass_and_scores_find_what_they_were_shown() -> None:
    clean, checked = faces(24, noise=0.0, seed=1), faces(24, noise=0.0, seed=2)
    rough, broken = faces(24, noise=0.01, seed=3), faces(24, noise=0.08, seed=4)
    mild, framed = faces(24, noise=0.05, seed=5), faces(24, noise=0.06, seed=7)
    table = toy_table(statistics=fit_statistics(clean))
    table = fit_thresholds(table, checked)
    assert not judge(checked, table, "union").perturbed.any()
    parts = [clean, rough, broken, framed, mild]
    held = Measurement(
        **{
            field.name: torch.cat([getattr(part, field.name) for part in parts])
            for field in dataclasses.fields(Measurement)
        }
    )
    classes = torch.arange(len(CLASSES)).repeat_interleave(24)
    scores = fit_scores(table, held, classes, checked)
    table = dataclasses.replace(table, scores=scores)
    assert not judge(checked, table, "combined").perturbed.any()
    unseen = faces(24, noise=0.08, seed=6)
    assert judge(unseen, table, "combined").perturbed.float().mean() > 0.9
    assert not {"margin", "s_dist"} & set(scores["no masks"].cues)
    # Alone, a detector need not share its false positives: it finds at least as many.
    for name in ("union", "distortion", "consistency", "combined"):
        tau = own_threshold(table, name, checked)
        assert not (judge(checked, table, name).scores[name] >= tau).any()
        assert tau < 1e-6
    kinds = {f"clean {kind}": checked for kind in HARD}
    kinds |= {f"attacked {kind}": unseen for kind in ("lossless", "h264 crf 23")}
    kinds |= {f"attacked {kind}": unseen for kind in ("in a frame", "in a frame, crf 23")}
    lines = held_out_lines(table, kinds, checked)
    for name in DECIDERS:
        (line,) = (line for line in lines if line.startswith(f"  {name}: "))
        assert "clean flagged 0.000" in line
    assert any("combined: AUROC 1.000, F1 1.000, found 1.000" in line for line in lines)


def test_drawn_edits_cover_every_attribute_and_name_what_each_may_change() -> None:
    drawn = draw_conditions(
        "edit",
        70,
        names=ATTRIBUTES,
        driven=torch.zeros(0, 0),
        generator=torch.Generator().manual_seed(0),
    )
    held = {tuple(row) for row in drawn.values.tolist()}
    for word in single_edits(ATTRIBUTES):
        assert condition_for_edit([word]) in held, word
    male = condition_for_edit(["Male"])
    row = [tuple(values) for values in drawn.values.tolist()].index(male)
    wanted = target_regions("edit", ["Male"])
    assert drawn.target[row].tolist() == [region in wanted for region in REGIONS]


def test_drawn_expressions_are_named_ones_and_those_of_other_faces() -> None:
    driven = torch.full((3, 17), 0.123)
    drawn = draw_conditions(
        "reenact",
        60,
        names=ACTION_UNITS,
        driven=driven,
        generator=torch.Generator().manual_seed(0),
    )
    measured = (drawn.values == 0.123).all(dim=1)
    assert 15 < int(measured.sum()) < 45
    assert len(torch.unique(drawn.values[~measured], dim=0)) > 9
    assert ((drawn.values >= 0) & (drawn.values <= 1)).all()


def test_a_replacement_asks_for_nothing() -> None:
    drawn = draw_conditions(
        "replace", 4, names=(), driven=torch.zeros(0, 0), generator=torch.Generator()
    )
    assert drawn.values.shape == (4, 0)
    assert drawn.target.shape == (4, len(REGIONS))


def test_figures_of_a_report_by_hand() -> None:
    assert auroc(torch.tensor([0.0, 1.0]), torch.tensor([1.0, 2.0])) == pytest.approx(3.5 / 4)
    flags = torch.tensor([True, False, False, False])
    assert f1_binary(flags, ~flags) == pytest.approx(2 * 0.75 / (1 + 0.75 + 0.25))
    # The rule of three: no event in 300 bounds the rate by about 3 / 300.
    assert rate_bound(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert rate_bound(3, 3) == 1.0


def test_picked_faces_keep_all_that_was_measured_of_them() -> None:
    held = faces(4, noise=0.02, seed=8)
    picked = pick(held, [2, 0])
    assert len(picked) == 2
    for field in dataclasses.fields(held):
        whole, part = getattr(held, field.name), getattr(picked, field.name)
        assert torch.equal(part, torch.stack([whole[2], whole[0]])), field.name
