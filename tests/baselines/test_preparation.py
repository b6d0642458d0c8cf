from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from magdr_video.baselines import preparation
from magdr_video.baselines.preparation import prepare_detector, prepare_reconstructor
from magdr_video.baselines.protocol import Material, Source
from magdr_video.baselines.safetynet import SafetyNet
from magdr_video.baselines.super_resolution import (
    EnlargingRecipe,
    SuperResolutionDefence,
    SuperResolutionThroughJpeg,
)
from magdr_video.errors import SettingsError
from magdr_video.translation import Translator
from tests.baselines.doubles import toy_material, toy_translator
from tests.toys import pictures

TINY = EnlargingRecipe(width=4, blocks=1, steps=2, batch=2, patch=8)


@pytest.fixture
def small_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "super-resolution": lambda _: SuperResolutionDefence(recipe=TINY),
        "super-resolution-jpeg": lambda _: SuperResolutionThroughJpeg(recipe=TINY),
    }
    monkeypatch.setattr(preparation, "RECONSTRUCTORS", rows)


def scores(translator: Translator, material: Material, cache: Path) -> torch.Tensor:
    seen = material.attacked
    detector = prepare_detector("safetynet", translator, material, cache)
    return detector.score(seen.crops, seen.condition, seen.draft)


def test_a_fitted_detector_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = toy_translator()
    material = toy_material(translator)
    first = scores(translator, material, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1

    def fail(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr(SafetyNet, "fit", fail)
    torch.testing.assert_close(scores(translator, material, tmp_path), first)


def test_other_faces_or_another_generator_fit_anew(tmp_path: Path) -> None:
    translator = toy_translator()
    material = toy_material(translator)
    scores(translator, material, tmp_path)
    fewer = replace(material, clean=material.clean[1:], attacked=material.attacked[1:])
    scores(translator, fewer, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    scores(toy_translator(seed=1), material, tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_state_is_found_again_without_the_faces_it_was_learned_from(tmp_path: Path) -> None:
    translator = toy_translator()
    material = toy_material(translator)

    def never() -> Material:
        raise AssertionError("attacked again")

    source = Source("faces, generator and attack", "files", lambda: material)
    prepare_detector("safetynet", translator, source, tmp_path)
    prepare_detector("safetynet", translator, replace(source, make=never), tmp_path)
    other = replace(source, attacked="another attack", make=never)
    with pytest.raises(AssertionError, match="attacked again"):
        prepare_detector("safetynet", translator, other, tmp_path)


@pytest.mark.usefixtures("small_rows")
def test_pictures_alone_decide_what_knows_no_attack(tmp_path: Path) -> None:
    translator = toy_translator()
    material = toy_material(translator)
    for attacked, files in (("one", "files"), ("other", "files"), ("other", "more files")):
        source = Source(attacked, files, lambda: material)
        prepare_reconstructor("super-resolution", translator, source, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.usefixtures("small_rows")
def test_both_rows_of_super_resolution_share_one_network(tmp_path: Path) -> None:
    translator = toy_translator()
    material = toy_material(translator)
    names = ("super-resolution", "super-resolution-jpeg")
    rows = [prepare_reconstructor(name, translator, material, tmp_path) for name in names]
    assert len(list(tmp_path.iterdir())) == 1
    crops = pictures(1, 32)
    assert not torch.equal(rows[0].reconstruct(crops), rows[1].reconstruct(crops))


@pytest.mark.usefixtures("small_rows")
def test_what_knows_faces_only_serves_every_generator(tmp_path: Path) -> None:
    for seed in (0, 1):
        translator = toy_translator(seed=seed)
        material = toy_material(translator)
        prepare_reconstructor("super-resolution", translator, material, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.usefixtures("small_rows")
def test_one_that_learns_wants_faces() -> None:
    with pytest.raises(SettingsError, match="has to be trained"):
        prepare_reconstructor("super-resolution", toy_translator())


def test_an_unknown_detector_is_refused_with_the_nearest() -> None:
    translator = toy_translator()
    with pytest.raises(SettingsError) as caught:
        prepare_detector("metzn", translator, toy_material(translator))
    assert "metzen" in caught.value.hint


@pytest.mark.parametrize("name", ["metzen", "otd", "magnet"])
def test_a_share_of_the_steps_is_for_smoke_tests(name: str) -> None:
    detector = preparation.DETECTORS[name](toy_translator())
    before = int(detector.parameters["steps"])
    detector.shorten(0.1)
    assert detector.parameters["steps"] == round(before / 10)
    detector.shorten(0.0)
    assert detector.parameters["steps"] == 1


def test_a_negative_share_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot be taken"):
        SafetyNet(toy_translator()).shorten(-1)
