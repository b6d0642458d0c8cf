"""Calibration tables: written, read back, and refused when they are not usable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from magdr_video.detection.calibration import Calibration, load_calibration
from magdr_video.errors import SettingsError
from magdr_video.training.calibrate import TRANSFORMS, table_text
from tests.toys import toy_table

CHAIN = "guided(eps=0.003) > jpeg(quality=75)"


def made() -> Calibration:
    table = toy_table(
        transforms=TRANSFORMS,
        tau_region=2.5,
        least_flags=2,
        tau_cons=1.25,
        tau_mean=3.5,
        weight=0.5,
        tau_final=4.25,
        recipe=CHAIN,
    )
    for name in ("distortion", "consistency"):
        mean = getattr(table, f"{name}_mean")
        mean[:] = torch.arange(mean.numel()).reshape(mean.shape) / 8
        getattr(table, f"{name}_std")[:] = mean + 0.5
    return table


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "edit.toml"
    path.write_text(table_text(made(), CHAIN, ["Made by hand", ""]), encoding="utf-8")
    return path


def test_a_written_table_reads_back_equal(written: Path) -> None:
    got, expected = load_calibration(written), made()
    for field in dataclasses.fields(Calibration):
        ours, theirs = getattr(got, field.name), getattr(expected, field.name)
        if isinstance(theirs, torch.Tensor):
            torch.testing.assert_close(ours, theirs, msg=field.name)
        else:
            assert ours == theirs, field.name


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
        ("[consistency]\nmean = [\n  [0, ", "[consistency]\nmean = [\n  ["),
    ],
    ids=["syntax", "entry", "number", "transform", "regions", "criteria", "ragged"],
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
