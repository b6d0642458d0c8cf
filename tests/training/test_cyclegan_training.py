"""Pairs of the `replace` task are drawn alike for both images and anew for every step."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.errors import WeightsError
from magdr_video.training import cyclegan
from magdr_video.training.cyclegan import (
    PAIR_SIZE,
    CycleganRecipe,
    CycleganTraining,
    ReplacePairs,
    begun,
    build,
    draw_batch,
    export,
    train,
)
from magdr_video.training.faces_data import dull
from magdr_video.training.running import Place

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


def test_a_plain_camera_shows_both_images_alike_with_less_contrast_and_detail() -> None:
    face = _pairs().faces[0]
    one, other = dull([face, face.copy()], np.random.default_rng(5))
    assert np.array_equal(one, other)
    assert one.shape == face.shape and one.dtype == np.uint8
    assert one.std() < 0.7 * face.std()
    steps = [np.abs(np.diff(x.astype(float), axis=0)).mean() for x in (one, face)]
    assert steps[0] < 0.5 * steps[1]


def test_a_training_goes_on_from_weights_of_its_own_form_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = _pairs()
    first = CycleganTraining(RECIPE, pairs, pairs, steps=4)
    with torch.no_grad():
        for value in first.average.parameters():
            value.add_(0.25)
    export(first.average, RECIPE, "AB", tmp_path / "ab.safetensors")
    held = str(tmp_path / "ab.safetensors")
    second = CycleganTraining(replace(RECIPE, start=held), pairs, pairs, 4)
    for one, other in zip(first.average.parameters(), second.net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-2)
    wider = replace(RECIPE, width=6, start=held)
    # A training that is refused leaves no process.
    monkeypatch.setattr(cyclegan, "Ahead", pytest.fail)
    with pytest.raises(WeightsError, match=r"is of another form: \S+ is \(4, .*'s is \(6, "):
        CycleganTraining(wider, pairs, pairs, 4)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("start", "start = 'cyclegan-synthetic-ba' is of direction BA, not AB"),
        ("start_back", "start_back = 'bisenet-compact' is a BiSeNet, not a CycleGAN"),
    ],
)
def test_wrong_weights_to_begin_with_are_refused_before_any_pair_is_made(
    setting: str, said: str, tmp_path: Path
) -> None:
    weights = said.split("'")[1]
    recipe = replace(RECIPE, **{setting: weights})  # type: ignore[arg-type]
    # A folder without faces would be refused next.
    with pytest.raises(WeightsError, match=said):
        train(recipe, Place(tmp_path, tmp_path, torch.device("cpu")))


def test_the_way_back_begins_with_weights_of_its_own(tmp_path: Path) -> None:
    net = build(RECIPE)
    export(net, RECIPE, "BA", tmp_path / "back.safetensors")
    recipe = replace(RECIPE, start="no-such-weights", start_back=str(tmp_path / "back.safetensors"))
    for one, other in zip(net.parameters(), begun(recipe, "BA").parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-3)
