"""The parser's training: labels that stay with their pixels, the loss, the scores, resuming."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from magdr_video.errors import WeightsError
from magdr_video.models import zoo
from magdr_video.models.bisenet import CLASSES
from magdr_video.training.loop import fit
from magdr_video.training.paired import read_recipe
from magdr_video.training.parser import (
    PRESET,
    ParserRecipe,
    ParserTraining,
    begun,
    export,
    hard_pixel_loss,
    overlap_loss,
)
from magdr_video.training.parser_faces import (
    CELEBA_TO_BISENET,
    MERGED,
    ParsedFaces,
    draw_view,
    load_parsed,
)
from magdr_video.training.parser_scores import SCORED, measure_dice

CELEBA_ORDER = (
    "background", "skin", "nose", "eyeglasses", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear",
    "r_ear", "mouth", "u_lip", "l_lip", "hair", "hat", "earring", "necklace", "neck", "cloth",
)  # fmt: skip

TINY = ParserRecipe(size=64, first_size=64, width=2, batch=2, steps=4)


def test_celeba_ids_become_the_class_of_the_same_name() -> None:
    assert [CLASSES[i] for i in CELEBA_TO_BISENET] == list(CELEBA_ORDER)


def test_only_left_and_right_are_merged() -> None:
    merged = {CLASSES[i]: CLASSES[MERGED[i]] for i in range(19) if MERGED[i] != i}
    assert merged == {"r_brow": "l_brow", "r_eye": "l_eye", "r_ear": "l_ear"}


def quadrants() -> tuple[np.ndarray, np.ndarray]:
    """An image whose colours tell its classes: class k has red 60 k + 30."""
    labels = np.zeros((256, 256), np.uint8)
    labels[:128, 128:], labels[128:, :128], labels[128:, 128:] = 1, 2, 3
    image = np.repeat((labels * 60 + 30)[..., None], 3, axis=2).astype(np.uint8)
    return image, labels


def test_labels_stay_with_their_pixels_in_every_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magdr_video.training.parser_faces._tint", lambda image, _: image)
    monkeypatch.setattr("magdr_video.training.parser_faces._wear", lambda image, _: image)
    image, labels = quadrants()
    mirrored = set()
    for seed in range(12):
        view, found = draw_view(image, labels, 160, np.random.default_rng(seed))
        read = np.round((view[..., 0].astype(float) - 30) / 60)
        assert (read == found).mean() > 0.97, seed
        mirrored.add(bool(np.argwhere(found == 0)[:, 1].mean() > 80))
    assert mirrored == {True, False}


def test_a_view_is_the_same_for_the_same_seed_only() -> None:
    image, labels = quadrants()
    one, again, other = (
        draw_view(image, labels, 64, np.random.default_rng(seed))[0] for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_easy_pixels_are_left_out_of_the_loss() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    logits = torch.zeros(1, 19, 16, 16)
    logits[:, 0] = 5.0
    logits[:, :, :4, 4:8] = 0.0
    weight = torch.ones(19)
    hard = hard_pixel_loss(logits, labels, certain=0.7, weight=weight)
    assert hard == pytest.approx(np.log(19), rel=1e-4)
    everything = hard_pixel_loss(logits, labels, certain=0.99, weight=weight)
    assert everything < hard / 4


def test_when_all_pixels_are_easy_the_hardest_sixteenth_counts() -> None:
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    logits = torch.zeros(1, 19, 16, 16)
    logits[:, 0] = 9.0
    logits[:, 0, 0] = 7.0
    loss = hard_pixel_loss(logits, labels, certain=0.7, weight=torch.ones(19))
    assert loss == pytest.approx(np.log(1 + 18 * np.exp(-7)), rel=1e-3)


def test_the_overlap_counts_a_small_class_as_much_as_a_large_one() -> None:
    labels = torch.zeros(1, 16, 16, dtype=torch.long)
    labels[:, :2, :2] = 9

    def logits(of: torch.Tensor) -> torch.Tensor:
        return 40 * torch.nn.functional.one_hot(of, 19).permute(0, 3, 1, 2).float()

    assert overlap_loss(logits(labels), labels) == pytest.approx(0, abs=1e-4)
    nothing_found = overlap_loss(logits(torch.zeros_like(labels)), labels)
    # Dice of the background: 2 * 252 / (256 + 252); of the earring 0, each plus 1.
    expected = 1 - ((2 * 252 + 1) / (256 + 252 + 1) + 1 / (4 + 1)) / 2
    assert nothing_found == pytest.approx(expected, abs=1e-4)


def test_dice_is_that_of_the_definition() -> None:
    found, labels = np.zeros((1, 4, 4), np.uint8), np.zeros((1, 4, 4), np.uint8)
    found[0, 0], labels[0, :2, :2] = 17, 17
    scores = measure_dice(found, labels)
    assert scores["hair"] == pytest.approx(2 * 2 / (4 + 4))
    assert np.isnan(scores["hat"])
    assert scores["mean"] == pytest.approx(0.5)
    assert len(SCORED) == 15


def fake_faces() -> ParsedFaces:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 19, (4, 256, 256)).astype(np.uint8)
    images = rng.integers(0, 256, (4, 256, 256, 3)).astype(np.uint8)
    return ParsedFaces(images, MERGED[labels], np.full(4, 0.25))


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = ParserTraining(TINY, fake_faces(), fake_faces())
    fit(whole, steps=4, batch=2, folder=tmp_path / "whole", save_every=4)
    for steps in (2, 4):
        part = ParserTraining(TINY, fake_faces(), fake_faces())
        fit(part, steps=steps, batch=2, folder=tmp_path / "parts", save_every=2)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, part.average.state_dict()[name]), name
    sheet = np.asarray(Image.open(tmp_path / "whole" / "sheet-000004.png"))
    assert sheet.shape == (3 * 256, 10 * 256, 3)


def test_an_export_is_found_and_loaded_by_the_zoo(tmp_path: Path) -> None:
    training = ParserTraining(TINY, fake_faces(), fake_faces())
    export(training.average, TINY, tmp_path / "x.safetensors")
    record = zoo.find(tmp_path / "x.safetensors")
    assert (record.task, record.size, record.alignment) == ("parse", 64, "ffhq")
    held = zoo.load(record).state_dict()
    for name, value in training.average.state_dict().items():
        assert torch.allclose(held[name].float(), value.float(), atol=1e-3), name


def test_a_training_goes_on_from_a_parser_of_its_own_width_only(tmp_path: Path) -> None:
    first = ParserTraining(TINY, fake_faces(), fake_faces())
    with torch.no_grad():
        for value in first.average.parameters():
            value.add_(0.25)
    export(first.average, TINY, tmp_path / "x.safetensors")
    recipe = dataclasses.replace(TINY, start=str(tmp_path / "x.safetensors"))
    second = ParserTraining(recipe, fake_faces(), fake_faces())
    for one, other in zip(first.average.parameters(), second.net.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-2)
    with pytest.raises(WeightsError, match=r"is \(2, .* the recipe's is \(4, "):
        begun(dataclasses.replace(recipe, width=4))
    with pytest.raises(WeightsError, match="start = 'purifier' is a Purifier, not a BiSeNet"):
        begun(dataclasses.replace(TINY, start="purifier"))


def test_the_shipped_recipe_can_be_read() -> None:
    folder = Path(__file__).parents[2]
    assert read_recipe(ParserRecipe, folder / PRESET) == ParserRecipe()


@pytest.mark.slow
def test_no_identity_is_both_trained_on_and_held_out(data_dir: Path) -> None:
    train, held = (load_parsed(data_dir, held_out=part) for part in (False, True))
    assert len(held.images) > 90
    seen = {image.tobytes() for image in train.images}
    assert not any(image.tobytes() in seen for image in held.images)
    assert train.draw.sum() == pytest.approx(1)
    assert not np.isin(train.labels, (3, 5, 8)).any()
