"""`detection.targets`: the generator's attention in place of the table of regions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from magdr_video.errors import SettingsError
from magdr_video.faces.regions import REGIONS, TARGET, region_masks
from magdr_video.loading import Models, load_models
from magdr_video.settings import load_settings, preset_folder
from magdr_video.transforms import guided
from magdr_video.translation import Translator
from tests.toys import pictures

ASKED = ["detection.targets=attention", "run.device=cpu"]


@pytest.fixture(scope="module")
def models() -> Models:
    settings = load_settings(task="reenact", overrides=[*ASKED, "detection.enabled=false"])
    return load_models(settings)


def test_the_attention_is_that_of_the_denoised_crop(models: Models) -> None:
    crops, condition = pictures(2, 128), models.translator.condition(models.condition, 2)
    held = models.target_attention(crops, condition)
    assert held is not None and held.shape == (2, 1, 128, 128)
    expected = models.translator.attention(guided(crops, eps=3e-3), condition)
    torch.testing.assert_close(held, expected)
    assert float(held.min()) >= 0 and float(held.max()) <= 1
    masks = region_masks(torch.full((2, 19, 128, 128), 1 / 19), "reenact", attention=held)
    assert masks.regions == (TARGET, *REGIONS)
    torch.testing.assert_close(masks.data.sum(1), torch.ones(2, 128, 128))


def test_by_default_targets_go_by_regions_and_cost_no_pass() -> None:
    settings = load_settings(task="reenact", overrides=["run.device=cpu"])
    held = load_models(settings)
    assert settings.detection.targets == "regions"
    assert held.target_attention(pictures(1, 128), torch.zeros(1, 17)) is None
    assert held.translator.passes == 0


def test_a_table_that_was_fitted_with_regions_is_refused_under_attention(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is attention, the calibration table was fitted with"):
        load_models(load_settings(task="reenact", overrides=ASKED))
    # And the other way about.
    table = (preset_folder() / "tables" / "reenact.toml").read_text()
    other = tmp_path / "reenact.toml"
    names = ", ".join(f'"{name}"' for name in REGIONS)
    head, tail = table.split(f"regions = [{names}]")
    row = "[[statistics]]\ncondition = []\nfaces = 9\n"
    for kind, rows in (("distortion", len(REGIONS) + 1), ("consistency", 3)):
        for part in ("mean", "std"):
            row += f"{kind}_{part} = {[[1.0] * 3] * rows}\n"
    middle = tail.split("[[statistics]]")[0]
    other.write_text(f'{head}regions = ["{TARGET}", {names}]{middle}{row}')
    wanted = ["run.device=cpu", f"detection.table={other}"]
    with pytest.raises(SettingsError, match="is regions, the calibration table was fitted with"):
        load_models(load_settings(task="reenact", overrides=wanted))
    assert load_models(load_settings(task="reenact", overrides=[*wanted, ASKED[0]])).by_attention


def test_a_generator_without_attention_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Translator, "has_attention", property(lambda self: False))
    with pytest.raises(SettingsError, match=r"is attention, and 'stargan-.*' has none"):
        load_models(load_settings(task="edit", overrides=[*ASKED, "detection.enabled=false"]))
