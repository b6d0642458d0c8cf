"""The outer loop: the default first, searches where they are needed, at most three rounds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from magdr_video.detection.detector import PerturbationDetector
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.stages.chooser import ROUNDS, Chooser, Faces
from magdr_video.transforms import gaussian, parse_chain
from magdr_video.types import Masks, RunReport
from tests.toys import ToyGenerator, halves, pictures, toy_table

LIGHT, STRONG = parse_chain("gaussian(sigma=0.5)"), parse_chain("gaussian(sigma=1)")
FIT = Fit(default=LIGHT, candidates=(STRONG,))
TABLE = RecNetTable("edit", "", single=FIT, averaged=Fit(default=STRONG), layers=())
PASSES = 3
"""Of a scored candidate: its draft and the toy table's two transforms."""


def roughness(crops: Tensor) -> Tensor:
    return (crops - gaussian(crops, sigma=1)).abs().mean(dim=(1, 2, 3)) * 100


class Scored:
    """What an inspection says, as far as the chooser reads it."""

    def __init__(self, s_final: Tensor) -> None:
        self.s_final = s_final


class ByRule(PerturbationDetector):
    """Scores crops by a rule and counts the crops of each call."""

    def __init__(self, rule: Callable[[Tensor], Tensor], tau: float) -> None:
        super().__init__(ToyGenerator(), toy_table(tau_final=tau))
        self.rule = rule
        self.calls: list[int] = []

    @property
    def passes_per_face(self) -> int:
        return PASSES - 1

    def inspect(  # type: ignore[override]
        self, crops: Tensor, masks: Masks, condition: Tensor, draft: Tensor | None = None
    ) -> Scored:
        assert len(crops) == len(masks.data) == len(condition)
        self.calls.append(len(crops))
        return Scored(self.rule(crops))


def faces(count: int = 2, *, averaged: bool = False, score: float = math.inf) -> Faces:
    crops = pictures(count, noise=0.04)
    return Faces(
        crops, crops, halves(count), torch.zeros(count, 1), [score] * count, averaged=averaged
    )


def chooser(tau: float, budget: int, rule: Callable[[Tensor], Tensor] = roughness) -> Chooser:
    return Chooser(ByRule(rule, tau), TABLE, budget, RunReport())


def chains(choice_rounds: object) -> list[set[str]]:
    return [{str(r.chain[0]) for r in held} for held in choice_rounds]  # type: ignore[attr-defined]


def test_a_default_that_is_good_enough_costs_one_score_and_no_search() -> None:
    one = chooser(tau=100.0, budget=1000)
    choices = one.choose(faces(3))
    assert one.detector.calls == [3]  # type: ignore[attr-defined]
    assert one.report.searches == 0
    assert all(choice.resolved and choice.accepted for choice in choices)
    assert all(choice.rounds == (FIT.recipes(halves(1).regions),) for choice in choices)


def test_where_the_default_is_not_enough_the_search_goes_on_from_it() -> None:
    began = roughness(gaussian(pictures(1, noise=0.04), sigma=1)).item()
    one = chooser(tau=began * 1.01, budget=PASSES)
    (choice,) = one.choose(faces(1))
    assert one.report.searches == 1
    assert choice.resolved and chains(choice.rounds) == [{str(STRONG[0])}]


def test_without_a_budget_nothing_is_searched_and_there_is_one_round() -> None:
    one = chooser(tau=0.0, budget=0)
    (choice,) = one.choose(faces(1))
    assert one.report.searches == 0 and len(choice.rounds) == 1
    assert not choice.resolved


def test_there_are_at_most_three_rounds_and_the_scores_fall() -> None:
    one = chooser(tau=0.0, budget=1000)
    (choice,) = one.choose(faces(1))
    assert len(choice.rounds) == ROUNDS
    crops, last = faces(1).base, math.inf
    for held in choice.rounds:
        crops = type(choice)((held,), False, 0, 0, False).apply(crops, halves(1))
        now = roughness(crops).item()
        assert now < last
        last = now
    assert choice.after == torch.tensor(last).item() or abs(choice.after - last) < 1e-4
    assert not choice.resolved


def test_a_further_round_that_does_not_lower_the_score_is_left_out() -> None:
    seen: list[int] = []

    def stubborn(crops: Tensor) -> Tensor:
        seen.append(len(crops))
        return torch.full((len(crops),), 5.0)

    one = chooser(tau=0.0, budget=1000, rule=stubborn)
    (choice,) = one.choose(faces(1, score=9.0))
    assert len(choice.rounds) == 1 and choice.after == 5.0
    assert choice.accepted and not choice.resolved


def test_a_choice_that_does_not_lower_the_score_of_the_bare_crop_is_not_accepted() -> None:
    (choice,) = chooser(tau=100.0, budget=0).choose(faces(1, score=0.0))
    assert not choice.accepted


def test_a_bare_score_that_is_not_known_is_measured() -> None:
    given = faces(2, score=math.nan)
    choices = chooser(tau=100.0, budget=0).choose(given)
    for choice, score in zip(choices, roughness(given.bare).tolist(), strict=True):
        assert abs(choice.before - score) < 1e-4


def test_averaged_crops_begin_with_the_chain_that_fitted_averages() -> None:
    (choice,) = chooser(tau=100.0, budget=0).choose(faces(1, averaged=True))
    assert chains(choice.rounds) == [{str(STRONG[0])}] and choice.averaged


def test_what_an_average_leaves_gets_the_chain_of_single_crops_where_that_repairs_it() -> None:
    weak = dataclasses.replace(TABLE, single=Fit(STRONG), averaged=Fit(LIGHT), margin=100.0)
    given = faces(2, averaged=True)
    light, strong = (roughness(gaussian(given.base, sigma=sigma)) for sigma in (0.5, 1.0))
    between = float(strong.max() + light.min()) / 2
    assert strong.max() < between < light.min()
    one = chooser(tau=between, budget=0)
    one.table = weak
    for choice in one.choose(given):
        assert chains(choice.rounds) == [{str(STRONG[0])}] and choice.resolved and choice.averaged
    assert one.detector.calls == [2, 2]  # type: ignore[attr-defined]
    # In the clean range there is nothing to try.
    easy = chooser(tau=float(light.max()) + 1, budget=0)
    easy.table = weak
    assert chains(easy.choose(given)[0].rounds) == [{str(LIGHT[0])}]
    assert easy.detector.calls == [2]  # type: ignore[attr-defined]
    # Neither in the clean range nor by the margin better: the default stays.
    hard = chooser(tau=0.0, budget=0)
    hard.table = weak
    assert chains(hard.choose(given)[0].rounds) == [{str(LIGHT[0])}]


def test_a_further_round_must_beat_the_one_before_by_the_margin_too() -> None:
    one = chooser(tau=0.0, budget=1000)
    free = one.choose(faces(1))[0]
    assert len(free.rounds) == ROUNDS
    gain = roughness(faces(1).base).item()
    one.table = dataclasses.replace(TABLE, margin=gain)
    (held,) = one.choose(faces(1))
    assert held.rounds == (FIT.recipes(halves(1).regions),)


def test_the_budget_holds_over_all_rounds() -> None:
    for budget in (1, 5, 10, 20):
        one = chooser(tau=0.0, budget=budget)
        one.choose(faces(1))
        scored = sum(one.detector.calls)  # type: ignore[attr-defined]
        assert (scored - 1) * PASSES <= budget
