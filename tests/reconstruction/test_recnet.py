"""The greedy search: never worse than its start, never beyond its budget."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from magdr_video.reconstruction.composer import compose
from magdr_video.reconstruction.recnet import LEAST_FIDELITY, RecNet, faithful, uniform_recipes
from magdr_video.transforms import LAYERS, parse_chain
from magdr_video.types import Masks
from tests.toys import halves, pictures

PASSES = 3


class DistanceTo:
    """Scores by the squared distance to a wanted picture; remembers what it was shown."""

    def __init__(self, wanted: Tensor) -> None:
        self.wanted = wanted
        self.seen: list[Tensor] = []

    def __call__(self, crops: Tensor, masks: Masks) -> Tensor:
        self.seen.append(crops)
        return (crops - self.wanted).square().mean(dim=(1, 2, 3))


@pytest.fixture(scope="module")
def noisy() -> tuple[Tensor, Tensor]:
    clean = pictures(1)
    grain = torch.randn(clean.shape, generator=torch.Generator().manual_seed(4))
    return clean, (clean + 0.03 * grain).clamp(0, 1)


@pytest.mark.parametrize("budget", [0, 2, 3, 10, 60])
def test_a_search_is_never_worse_than_its_start_and_keeps_its_budget(
    noisy: tuple[Tensor, Tensor], budget: int
) -> None:
    clean, crop = noisy
    score, masks = DistanceTo(clean), halves(1)
    start = uniform_recipes(masks, parse_chain("jpeg(quality=85)"))
    began = float(score(compose(crop, masks, start), masks)[0])
    score.seen.clear()
    net = RecNet(score, passes_per_score=PASSES, budget=budget)
    recipes, found = net.search(crop, masks, start, began)
    assert found <= began
    assert len(score.seen) * PASSES <= net.spent <= budget
    assert found == pytest.approx(float(score(compose(crop, masks, recipes), masks)[0]))
    assert [recipe.region for recipe in recipes] == list(masks.regions)


def test_with_passes_to_spend_noise_is_found_out(noisy: tuple[Tensor, Tensor]) -> None:
    clean, crop = noisy
    score, masks = DistanceTo(clean), halves(1)
    start = uniform_recipes(masks, ())
    began = float(score(crop, masks)[0])
    recipes, found = RecNet(score, passes_per_score=1, budget=60).search(crop, masks, start, began)
    assert found < began / 2
    assert all(recipe.chain[0].category in LAYERS[0] for recipe in recipes if recipe.chain)
    assert any(recipe.chain for recipe in recipes)


def test_the_largest_region_is_served_first() -> None:
    data = torch.zeros(1, 2, 32, 32)
    data[:, 0, :4] = 1
    data[:, 1, 4:] = 1
    masks = Masks(data, ("face", "background"), (False, False))
    crop = pictures(1, noise=0.03)
    score = DistanceTo(pictures(1))
    net = RecNet(score, passes_per_score=1, budget=1)
    recipes, _ = net.search(crop, masks, uniform_recipes(masks, ()), float("inf"))
    chains = {recipe.region: recipe.chain for recipe in recipes}
    assert chains["background"] and not chains["face"]


def test_where_nothing_helps_the_start_is_returned() -> None:
    crop, masks = pictures(1, noise=0.03), halves(1)
    start = uniform_recipes(masks, ())
    net = RecNet(DistanceTo(crop), passes_per_score=1, budget=40)
    assert net.search(crop, masks, start, 0.0) == (start, 0.0)


def test_a_candidate_far_from_the_crop_is_never_scored() -> None:
    torch.manual_seed(0)
    crop, masks = torch.rand(1, 3, 32, 32), halves(1)
    score = DistanceTo(torch.full_like(crop, 0.5))
    net = RecNet(score, passes_per_score=1, budget=200)
    net.search(crop, masks, uniform_recipes(masks, ()), float("inf"))
    assert net.spent > len(score.seen)
    assert all(bool(faithful(crop, one)[0]) for one in score.seen)


def test_fidelity_is_judged_face_by_face_at_its_limit() -> None:
    crops = torch.full((2, 3, 8, 8), 0.5)
    step = 10 ** (-LEAST_FIDELITY / 20)
    moved = crops + torch.tensor([0.99 * step, 1.01 * step])[:, None, None, None]
    assert faithful(crops, moved).tolist() == [True, False]


def test_a_second_search_starts_with_a_full_budget(noisy: tuple[Tensor, Tensor]) -> None:
    clean, crop = noisy
    masks = halves(1)
    net = RecNet(DistanceTo(clean), passes_per_score=1, budget=8)
    first = net.search(crop, masks, uniform_recipes(masks, ()), 1.0)
    assert net.search(crop, masks, uniform_recipes(masks, ()), 1.0) == first
    assert net.spent == 8
