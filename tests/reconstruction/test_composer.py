"""Region results blended on soft masks."""

from __future__ import annotations

import torch

from magdr_video.reconstruction.composer import compose, feathered
from magdr_video.reconstruction.recnet import uniform_recipes
from magdr_video.transforms import apply_chain, parse_chain
from magdr_video.types import Masks, Recipe
from tests.toys import REGIONS, halves, pictures

CHAIN = parse_chain("gaussian(sigma=1) > bit_depth(bits=5)")


def test_one_chain_for_all_regions_is_the_chain_itself() -> None:
    crops, masks = pictures(2, noise=0.05), halves(2)
    got = compose(crops, masks, uniform_recipes(masks, CHAIN))
    assert torch.equal(got, apply_chain(crops, CHAIN))


def test_recipes_of_identity_return_the_crop() -> None:
    crops, masks = pictures(2), halves(2)
    assert torch.equal(compose(crops, masks, uniform_recipes(masks, ())), crops)
    assert torch.equal(compose(crops, masks, ()), crops)


def test_two_chains_are_blended_by_the_softened_masks() -> None:
    crops, masks = pictures(2, noise=0.05), halves(2)
    got = compose(crops, masks, [Recipe("face", CHAIN), Recipe("background", ())])
    weights, changed = feathered(masks), apply_chain(crops, CHAIN)
    torch.testing.assert_close(got, weights[:, :1] * changed + weights[:, 1:] * crops)
    assert torch.allclose(got[..., :8], changed[..., :8], atol=1e-5)
    assert torch.allclose(got[..., 24:], crops[..., 24:], atol=1e-5)


def test_a_region_without_a_recipe_keeps_the_crop() -> None:
    crops, masks = pictures(1, noise=0.05), halves(1)
    got = compose(crops, masks, [Recipe("face", CHAIN)])
    assert torch.allclose(got[..., 24:], crops[..., 24:], atol=1e-5)
    assert not torch.allclose(got[..., :8], crops[..., :8], atol=1e-3)


def test_softened_masks_still_sum_to_one_and_cross_at_the_edge() -> None:
    soft = feathered(halves(1))
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(1, 32, 32))
    assert 0.5 < soft[0, 0, 16, 15] < 0.7
    assert soft[0, 0, 16, 14] > soft[0, 0, 16, 15] > soft[0, 0, 16, 16]


def test_the_blend_does_not_care_in_which_order_regions_come() -> None:
    crops, masks = pictures(1, noise=0.05), halves(1)
    turned = Masks(masks.data.flip(1), REGIONS[::-1], (False, False))
    recipes = [Recipe("face", CHAIN), Recipe("background", ())]
    torch.testing.assert_close(compose(crops, masks, recipes), compose(crops, turned, recipes))
