"""Calibration tables: written, read back, and refused when they are not usable."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from magdr_video.detection.calibration import (
    Calibration,
    CleanStatistics,
    FittedScore,
    load_calibration,
)
from magdr_video.errors import SettingsError
from magdr_video.models.zoo import find
from magdr_video.settings import TASKS, load_settings, preset_folder
from magdr_video.training.calibration_table import table_text
from tests.toys import toy_statistics, toy_table


def numbered(condition: tuple[float, ...]) -> CleanStatistics:
    held = toy_statistics(condition=condition)
    for name in ("distortion", "consistency"):
        mean = getattr(held, f"{name}_mean")
        mean[:] = torch.arange(mean.numel()).reshape(mean.shape) / 8 + len(condition)
        getattr(held, f"{name}_std")[:] = mean + 0.5
    return held


def made() -> Calibration:
    score = FittedScore(
        cues=("aim", "noise_luma"),
        perturbed=(False, True, True),
        weights=torch.tensor([[0.5, 1.0], [-2.0, 0.25], [4.0, -8.0]]),
        biases=torch.tensor([0.0, -1.0, 1.0]),
        threshold=0.75,
    )
    return toy_table(
        statistics=(numbered(()), numbered((0.0, 1.0))),
        scores={"combined": score, "no masks": score},
        tau_region=2.5,
        least_flags=2,
        tau_cons=1.25,
        tau_mean=3.5,
        weight=0.5,
        tau_final=4.25,
        recipe="guided(eps=0.003) > jpeg(quality=75)",
    )


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "edit.toml"
    path.write_text(table_text(made(), ["Made by hand", ""]), encoding="utf-8")
    return path


def assert_equal(got: Any, expected: Any, where: str) -> None:
    if isinstance(expected, torch.Tensor):
        torch.testing.assert_close(got, expected, msg=where)
    elif dataclasses.is_dataclass(expected) and not isinstance(expected, type):
        for field in dataclasses.fields(expected):
            name = field.name
            assert_equal(getattr(got, name), getattr(expected, name), f"{where}.{name}")
    elif isinstance(expected, dict):
        assert list(got) == list(expected)
        for key, value in expected.items():
            assert_equal(got[key], value, f"{where}[{key}]")
    elif isinstance(expected, tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_equal(one, other, where)
    else:
        assert got == expected, where


def test_a_written_table_reads_back_equal(written: Path) -> None:
    assert_equal(load_calibration(written), made(), "table")


def test_the_shipped_tables_were_fitted_with_the_shipped_generators_and_purifier() -> None:
    for task in TASKS:
        table = load_calibration(preset_folder() / "tables" / f"{task}.toml")
        assert table.task == task
        assert table.model == find(load_settings(task=task).model.generator).sha256
        assert table.purifier == find("purifier").sha256


def test_a_table_of_before_the_purifier_was_recorded_tells_none(written: Path) -> None:
    text = written.read_text(encoding="utf-8")
    line = f'purifier = "{made().purifier}"\n'
    assert line in text
    written.write_text(text.replace(line, ""), encoding="utf-8")
    assert load_calibration(written).purifier == ""


def test_a_score_is_the_log_odds_of_its_perturbed_classes_above_the_threshold() -> None:
    score = made().scores["combined"]
    got = score({"aim": torch.tensor([2.0]), "noise_luma": torch.tensor([1.0])})
    clean, lossless, pressed = 2.0, -4.75, 1.0
    odds = math.log(math.exp(lossless) + math.exp(pressed)) - clean
    assert got.item() == pytest.approx(odds - 0.75, abs=1e-5)


def test_a_missing_table_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="calibration table") as caught:
        load_calibration(tmp_path / "edit.toml")
    assert "--task edit" in caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[thresholds]", "[thresholds"),
        ("least_flags = 2", ""),
        ("region = 2.5", 'region = "wide"'),
        ("jpeg(quality=75)", "posterise(levels=3)"),
        ('"face", "background"', '"face"'),
        ('"l1", "l2", "ssim"', '"l1", "l2"'),
        ("consistency_mean = [\n  [0, ", "consistency_mean = [\n  ["),
        ("biases = [0, -1, 1]", "biases = [0, -1]"),
        ("perturbed = [false, true, true]", "perturbed = [true, true, true]"),
        ("[[statistics]]", "[[statistics.more]]"),
    ],
    ids=[
        "syntax",
        "entry",
        "number",
        "transform",
        "regions",
        "criteria",
        "ragged",
        "classes",
        "kinds",
        "nesting",
    ],
)
def test_a_broken_table_is_an_error_of_the_settings(written: Path, old: str, new: str) -> None:
    text = written.read_text(encoding="utf-8")
    assert old in text
    written.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(SettingsError, match="not usable"):
        load_calibration(written)


def test_a_table_that_is_not_text_is_an_error_of_the_settings(tmp_path: Path) -> None:
    path = tmp_path / "edit.toml"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SettingsError, match="not usable"):
        load_calibration(path)
