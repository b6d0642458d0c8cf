"""The search: never worse than its start, never beyond its budget, batched."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from magdr_video.reconstruction.composer import compose
from magdr_video.reconstruction.fitted import Fit
from magdr_video.reconstruction.recnet import (
    BEAM,
    LEAST_FIDELITY,
    Found,
    RecNet,
    faithful,
    uniform_recipes,
)
from magdr_video.transforms import BANK, parse_chain
from magdr_video.types import Masks
from tests.toys import halves, pictures

PASSES = 3
LAYERS = tuple(
    tuple(parse_chain(text)[0] for text in layer)
    for layer in (
        ("gaussian(sigma=0.7)", "median(size=3)", "guided(eps=0.003)", "tv(weight=0.05)"),
        ("jpeg(quality=75)",),
    )
)
FIT = Fit(
    default=parse_chain("jpeg(quality=85)"),
    candidates=tuple(map(parse_chain, ("gaussian(sigma=0.7)", "median(size=3)"))),
)


class DistanceTo:
    """Scores by the squared distance to wanted pictures; remembers what it was shown."""

    def __init__(self, wanted: Tensor) -> None:
        self.wanted = wanted
        self.seen: list[Tensor] = []

    def __call__(self, crops: Tensor, masks: Masks, faces: Sequence[int]) -> Tensor:
        assert len(crops) == len(masks.data) == len(faces)
        self.seen.append(crops)
        return (crops - self.wanted[list(faces)]).square().mean(dim=(1, 2, 3))

    @property
    def scored(self) -> int:
        return sum(map(len, self.seen))


def noisy(count: int) -> tuple[Tensor, Tensor]:
    clean = pictures(count)
    grain = torch.randn(clean.shape, generator=torch.Generator().manual_seed(4))
    return clean, (clean + 0.03 * grain).clamp(0, 1)


def searched(
    crops: Tensor,
    score: DistanceTo,
    *,
    budget: int = 200,
    fit: Fit = FIT,
    margin: float = 0.0,
    enough: float = float("-inf"),
    passes: int = 1,
) -> tuple[list[Found], list[float]]:
    masks = halves(len(crops))
    start = fit.recipes(masks.regions)
    scores = score(compose(crops, masks, start), masks, range(len(crops))).tolist()
    score.seen.clear()
    net = RecNet(score, layers=LAYERS, margin=margin, passes_per_score=passes, enough=enough)
    plans, budgets = [start] * len(crops), [budget] * len(crops)
    return net.search(crops, masks, fit, plans, scores, budgets=budgets), scores


@pytest.mark.parametrize("budget", [0, 2, 3, 10, 60])
def test_a_search_is_never_worse_than_its_start_and_keeps_its_budget(budget: int) -> None:
    clean, crops = noisy(2)
    score = DistanceTo(clean)
    found, began = searched(crops, score, budget=budget, passes=PASSES)
    for face, one in enumerate(found):
        assert one.score <= began[face]
        assert one.spent <= budget
        single = halves(1)
        repaired = compose(crops[face : face + 1], single, one.recipes)
        assert one.score == pytest.approx(float(score(repaired, single, [face])[0]), rel=1e-4)
    assert score.scored * PASSES <= 2 * budget + 2 * PASSES


def test_with_passes_to_spend_noise_is_found_out() -> None:
    clean, crops = noisy(1)
    found, began = searched(crops, DistanceTo(clean))
    assert found[0].score < began[0] / 2


def test_a_step_scores_the_candidates_of_all_faces_in_one_call() -> None:
    clean, crops = noisy(3)
    score = DistanceTo(clean)
    searched(crops, score)
    assert len(score.seen[0]) == 3 * len(FIT.candidates)
    assert len(score.seen[1]) == 3 * len(LAYERS[0])
    regions = 2
    assert len(score.seen) <= 1 + regions * len(LAYERS) * 2


def test_faces_searched_together_find_what_each_finds_alone() -> None:
    clean, crops = noisy(3)
    together, _ = searched(crops, DistanceTo(clean), budget=9)
    for face in range(3):
        one = slice(face, face + 1)
        alone, _ = searched(crops[one], DistanceTo(clean[one]), budget=9)
        assert alone[0].recipes == together[face].recipes


def test_only_the_best_categories_have_their_other_settings_tried() -> None:
    clean, crops = noisy(1)
    score = DistanceTo(clean)
    searched(crops, score, fit=Fit())
    settings = len(score.seen[1])
    others = sorted(len(BANK[choice.category].grid) - 1 for choice in LAYERS[0])
    assert sum(others[:BEAM]) <= settings <= sum(others[-BEAM:])
    assert settings < sum(others)


def test_a_candidate_must_beat_the_start_by_the_margin() -> None:
    clean, crops = noisy(1)
    found, began = searched(crops, DistanceTo(clean), margin=began_margin(clean, crops))
    assert found[0].score == began[0]
    assert found[0].recipes == FIT.recipes(halves(1).regions)


def began_margin(clean: Tensor, crops: Tensor) -> float:
    """Just more than any candidate can gain."""
    return float((crops - clean).square().mean())


def test_a_face_that_is_good_enough_is_searched_no_further() -> None:
    clean, crops = noisy(2)
    score = DistanceTo(clean)
    began = searched(crops, score)[1]
    score.seen.clear()
    found, _ = searched(crops, score, enough=max(began))
    assert score.seen == [] and [one.score for one in found] == began


def test_the_largest_region_is_served_first() -> None:
    data = torch.zeros(1, 2, 32, 32)
    data[:, 0, :4] = 1
    data[:, 1, 4:] = 1
    masks = Masks(data, ("face", "background"), (False, False))
    clean, crops = noisy(1)
    net = RecNet(DistanceTo(clean), layers=LAYERS, margin=0.0, passes_per_score=1)
    start = uniform_recipes(masks, ())
    (found,) = net.search(crops, masks, Fit(), [start], [1.0], budgets=[1])
    chains = {recipe.region: recipe.chain for recipe in found.recipes}
    assert chains["background"] and not chains["face"]


def test_where_nothing_helps_the_start_is_returned() -> None:
    _, crops = noisy(1)
    found, _ = searched(crops, DistanceTo(crops), fit=Fit(candidates=FIT.candidates))
    assert found[0].recipes == uniform_recipes(halves(1), ())
    assert found[0].score == 0


def test_a_candidate_far_from_the_crop_is_neither_scored_nor_paid_for() -> None:
    draw = torch.Generator().manual_seed(0)
    crops = torch.rand(1, 3, 32, 32, generator=draw)
    score = DistanceTo(torch.full_like(crops, 0.5))
    found, _ = searched(crops, score, fit=Fit(candidates=FIT.candidates))
    assert found[0].spent == score.scored
    assert all(bool(faithful(crops, one[None])[0]) for held in score.seen for one in held)


def test_fidelity_is_judged_face_by_face_at_its_limit() -> None:
    crops = torch.full((2, 3, 8, 8), 0.5)
    step = 10 ** (-LEAST_FIDELITY / 20)
    moved = crops + torch.tensor([0.99 * step, 1.01 * step])[:, None, None, None]
    assert faithful(crops, moved).tolist() == [True, False]
