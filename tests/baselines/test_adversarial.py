from __future__ import annotations

import pytest
import torch

from magdr_video.baselines.adversarial import (
    AdversarialRecipe,
    AdversarialTraining,
    away_from_grey,
)
from magdr_video.baselines.simple import BlurOnly
from tests.baselines.doubles import (
    as_filed,
    toy_condition,
    toy_material,
    toy_samples,
    toy_translator,
)
from tests.toys import decibels, pictures

SMALL = AdversarialRecipe(steps=30, batch=4, rate=2e-3, fresh_every=5, attack_steps=2)


def test_the_attack_of_the_training_pushes_the_output_away_from_grey() -> None:
    translator = toy_translator()
    clean = toy_samples(translator, pictures(2, 32))
    broken = away_from_grey(translator.translate, clean, SMALL, seed=0)
    assert float((broken - clean.crops).abs().max()) <= 0.025 + 1e-6
    distances = [
        float((translator.translate(x, clean.condition) - 0.5).square().mean().detach())
        for x in (clean.crops, broken)
    ]
    assert distances[1] > distances[0]


def test_the_trained_copy_does_better_than_the_blur_alone() -> None:
    translator = toy_translator()
    material = toy_material(translator)
    before = {key: value.clone() for key, value in translator.module.state_dict().items()}
    baseline = AdversarialTraining(translator, recipe=SMALL)
    baseline.fit(material)
    seen = material.attacked
    trained, blurred = (
        held.translate(translator.translate, seen.crops, seen.condition)
        for held in (baseline, BlurOnly())
    )
    wanted = material.clean.draft
    assert decibels(trained, wanted) > decibels(blurred.detach(), wanted) + 0.5
    after = translator.module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_restored_copy_is_the_trained_one() -> None:
    translator = toy_translator()
    baseline, again = (AdversarialTraining(translator, recipe=SMALL) for _ in range(2))
    baseline.fit(toy_material(translator))
    again.restore(as_filed(baseline.state()))
    crops, condition = pictures(2, 32), toy_condition(2)
    wanted = baseline.translate(translator.translate, crops, condition)
    torch.testing.assert_close(again.translate(translator.translate, crops, condition), wanted)
    none = baseline.translate(translator.translate, crops[:0], condition[:0])
    assert none.shape == (0, 3, 32, 32)


def test_without_training_it_says_so() -> None:
    translator = toy_translator()
    with pytest.raises(RuntimeError, match="has not been trained"):
        AdversarialTraining(translator).translate(
            translator.translate, pictures(1, 32), toy_condition(1)
        )
