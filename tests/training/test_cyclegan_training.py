"""Pairs of the `replace` task are drawn alike for both images and anew for every step."""

import numpy as np
import torch

from magdr_video.training.cyclegan import (
    PAIR_SIZE,
    CycleganRecipe,
    CycleganTraining,
    ReplacePairs,
    draw_batch,
)

RECIPE = CycleganRecipe(size=32, width=4, blocks=1, batch=2, steps=4)


def _pairs() -> ReplacePairs:
    rng = np.random.default_rng(0)
    faces = rng.integers(60, 190, (3, PAIR_SIZE, PAIR_SIZE, 3), dtype=np.uint8)
    return ReplacePairs(faces, faces.copy())


def test_both_images_of_a_pair_get_the_same_jitter() -> None:
    source, target = draw_batch(_pairs(), 8, 32, np.random.default_rng(3))
    assert np.array_equal(source, target)


def test_the_same_seed_draws_the_same_batch_and_another_seed_another() -> None:
    first, again, other = (
        draw_batch(_pairs(), 2, 32, np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_way_back_turns_the_pairs_round() -> None:
    faces = np.zeros((1, 8, 8, 3), np.uint8)
    turned = ReplacePairs(faces, faces + 1).reversed()
    assert turned.faces.max() == 1 and turned.worn.max() == 0


def test_a_resumed_training_equals_one_without_a_break() -> None:
    pairs = _pairs()
    whole = CycleganTraining(RECIPE, pairs, pairs, steps=4)
    for index in range(4):
        whole.step(index)
    broken = CycleganTraining(RECIPE, pairs, pairs, steps=4)
    for index in range(2):
        broken.step(index)
    resumed = CycleganTraining(RECIPE, pairs, pairs, steps=4)
    resumed.load(broken.state())
    for index in (2, 3):
        resumed.step(index)
    for one, other in zip(whole.average.parameters(), resumed.average.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
