"""Presets, overrides and flags become checked settings, or one clear error."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from magdr_video.errors import SettingsError
from magdr_video.settings import (
    TASKS,
    Settings,
    build,
    declared,
    flatten,
    load_settings,
    preset_folder,
    read_preset,
)


def preset(folder: Path, text: str) -> Path:
    path = folder / "own.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("task", TASKS)
def test_each_task_loads_its_preset(task: str) -> None:
    settings = load_settings(task=task)
    assert settings.task == task
    assert settings.model.generator == read_preset(preset_folder() / f"{task}.toml")[
        "model.generator"
    ]  # fmt: skip


def test_reenact_is_the_task_when_none_is_named() -> None:
    assert load_settings(task=None).task == "reenact"


def test_generators_differ_between_tasks() -> None:
    assert len({load_settings(task=task).model.generator for task in TASKS}) == len(TASKS)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("faces.period=7", "faces.period", 7),
        ("faces.threshold=1", "faces.threshold", 1.0),
        ("run.strict=yes", "run.strict", True),
        ("detection.enabled=FALSE", "detection.enabled", False),
        ("condition.expression=AU12=0.8,AU25=0.5", "condition.expression", "AU12=0.8,AU25=0.5"),
        ("output.provenance=none", "output.provenance", "none"),
    ],
)
def test_set_overrides_one_setting(text: str, key: str, value: object) -> None:
    before = flatten(load_settings(task="edit"))
    after = flatten(load_settings(task="edit", overrides=[text]))
    assert after[key] == value
    assert type(after[key]) is type(value)
    assert after == before | {key: value}


def test_preset_beats_task_set_beats_preset_flag_beats_set(tmp_path: Path) -> None:
    own = preset(tmp_path, "[faces]\nperiod = 5\nmin_size = 30\n[run]\nbatch = 3\n")
    settings = load_settings(
        task="edit",
        preset=own,
        overrides=["faces.min_size=40", "run.batch=4"],
        flags={"run.batch": 9, "run.device": None},
    )
    assert (settings.faces.period, settings.faces.min_size, settings.run.batch) == (5, 40, 9)
    assert settings.run.device == "auto"
    assert settings.model.generator == load_settings(task="edit").model.generator


def test_the_later_of_two_overrides_counts() -> None:
    settings = load_settings(task="edit", overrides=["run.seed=1", "run.seed=2"])
    assert settings.run.seed == 2


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("faces.perod=7", "unknown key 'faces.perod'", "faces.period"),
        ("model.genrator=x", "unknown key", "model.generator"),
        ("faces.period", "has no '='", "key=value"),
        ("faces.period=0", "out of range", "1 .. 250"),
        ("faces.threshold=1.5", "out of range", "0.0 .. 1.0"),
        ("run.seed=-1", "out of range", "0 .. 4294967295"),
        ("run.seed=99999999999999999999", "out of range", "0 .. 4294967295"),
        ("protection.step_size=-1", "out of range", "0.0 .. any"),
        ("faces.period=often", "not of type int", "full detections"),
        ("faces.period=2.5", "not of type int", "full detections"),
        ("faces.threshold=high", "not of type float", "confidence"),
        ("run.strict=maybe", "not true or false", ""),
        ("output.hdr=pasthrough", "not allowed", "passthrough"),
        ("task=edits", "not allowed", "edit"),
    ],
)
def test_a_wrong_override_says_what_is_right(text: str, message: str, hint: str) -> None:
    with pytest.raises(SettingsError, match="--set") as caught:
        load_settings(task="edit", overrides=[text])
    assert message in str(caught.value)
    assert hint in caught.value.hint


def test_a_value_that_is_no_number_is_out_of_range() -> None:
    with pytest.raises(SettingsError, match="no finite number"):
        load_settings(task="edit", overrides=["faces.threshold=nan"])


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="unknown task 'reanact'") as caught:
        load_settings(task="reanact")
    assert "'reenact'" in caught.value.hint


def test_a_flag_is_checked_like_any_value() -> None:
    with pytest.raises(SettingsError, match="out of range"):
        load_settings(task="edit", flags={"output.crf": 64})


def test_task_and_preset_must_agree(tmp_path: Path) -> None:
    own = preset(tmp_path, 'task = "edit"\n')
    with pytest.raises(SettingsError, match="disagree"):
        load_settings(task="replace", preset=own)
    assert load_settings(task="edit", preset=own).task == "edit"
    assert load_settings(task=None, preset=own).task == "edit"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[faces]\nperod = 1\n", "unknown key 'faces.perod'"),
        ("faces = 3\n", "unknown key 'faces'"),
        ("[nothing]\nx = 1\n", "unknown key 'nothing.x'"),
        ("[faces]\nperiod = true\n", "not of type int"),
        ('[faces]\nperiod = "4"\n', "not of type int"),
        ("[faces]\nperiod = 251\n", "out of range"),
        ('task = "swap"\n', "not allowed"),
        ("[faces\n", "not TOML"),
    ],
)
def test_a_wrong_preset_names_file_and_mistake(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=r"own\.toml") as caught:
        load_settings(task=None, preset=preset(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_preset_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml"):
        load_settings(task="edit", preset=tmp_path / "none.toml")


def test_a_preset_that_is_not_text_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not TOML"):
        load_settings(task="edit", preset=path)


def test_settings_survive_flattening() -> None:
    settings = load_settings(task="replace", overrides=["run.batch=3"])
    assert build(flatten(settings)) == settings


def test_every_default_lies_in_its_own_range_and_says_what_it_is() -> None:
    for key, value in flatten(Settings()).items():
        about = declared()[key].metadata
        assert about["help"], key
        assert about["low"] is None or value >= about["low"], key
        assert about["high"] is None or value <= about["high"], key
        assert about["choices"] is None or value in about["choices"], key


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings(task="edit").run.batch = 2  # type: ignore[misc]
