"""Flags > environment > project file > user file > preset, and each value knows its origin."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.errors import SettingsError
from magdr_video.settings import declared, flatten, load_settings, resolve
from magdr_video.surroundings import PROJECT_FILE, surroundings, user_file, variable_names


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A user with a file of settings, in a project with another."""
    user = tmp_path / "config" / "magdr-video" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("[faces]\nperiod = 2\nmin_size = 30\nmax_gap = 2.0\n[output]\ncrf = 22\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / PROJECT_FILE).write_text("[faces]\nperiod = 3\nmin_size = 31\n[output]\ncrf = 23\n")
    return tmp_path


def variables(home: Path, **more: str) -> dict[str, str]:
    return {"XDG_CONFIG_HOME": str(home / "config"), **more}


def test_each_place_wins_over_those_below_it_and_is_named(home: Path) -> None:
    around = surroundings(variables(home, MAGDR_FACES_PERIOD="4", MAGDR_CRF="24"), home / "project")
    held = resolve(
        task="edit", around=around, overrides=["faces.threshold=0.5"], flags={"output.crf": 25}
    )
    values = flatten(held.settings)
    told = {key: (values[key], held.origins[key]) for key in values}
    assert told["output.crf"] == (25, "flag")
    assert told["faces.threshold"] == (0.5, "--set")
    assert told["faces.period"] == (4, "MAGDR_FACES_PERIOD")
    assert told["faces.min_size"] == (31, str(home / "project" / PROJECT_FILE))
    assert told["faces.max_gap"] == (2.0, str(user_file(variables(home))))
    assert told["model.generator"][1] == "preset edit"
    assert told["run.seed"] == (0, "default")
    assert told["task"] == ("edit", "flag")


def test_a_preset_that_is_named_wins_over_what_lies_around(home: Path) -> None:
    own = home / "own.toml"
    own.write_text('task = "replace"\n[faces]\nperiod = 9\n')
    around = surroundings(variables(home, MAGDR_FACES_PERIOD="4"), home / "project")
    held = resolve(task=None, preset=own, around=around)
    assert (held.settings.faces.period, held.settings.task) == (9, "replace")
    assert held.origins["faces.period"] == f"--preset {own}"


@pytest.mark.parametrize("task", ["edit", "replace"])
def test_the_task_of_any_place_chooses_the_preset(task: str, home: Path) -> None:
    around = surroundings(variables(home, MAGDR_TASK=task), home)
    assert resolve(task=None, around=around).settings == resolve(
        task=task, around=surroundings(variables(home), home)
    ).settings  # fmt: skip


def test_every_setting_has_a_variable_of_its_own() -> None:
    names = variable_names()
    assert names.keys() == declared().keys()
    assert len(set(names.values())) == len(names)
    assert names["run.device"] == "MAGDR_DEVICE"
    assert names["output.preset"] == "MAGDR_ENCODER_PRESET"
    assert names["detection.enabled"] == "MAGDR_DETECTION_ENABLED"


def test_a_wrong_value_names_its_place(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"MAGDR_CRF: output\.crf = 99"):
        surroundings(variables(home, MAGDR_CRF="99"), home)
    (home / PROJECT_FILE).write_text("[faces]\nperod = 3\n")
    with pytest.raises(SettingsError, match=rf"{PROJECT_FILE}: unknown key 'faces.perod'"):
        surroundings(variables(home), home)


def test_nothing_around_changes_nothing_and_a_call_from_python_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert surroundings({"HOME": str(tmp_path), "MAGDR_CRF": ""}, tmp_path) == []
    monkeypatch.setenv("MAGDR_CRF", "30")
    assert load_settings(task="edit").output.crf != 30


@pytest.mark.parametrize("name", ["evil:make", "./evil.pt", "a/b.safetensors"])
def test_a_file_that_lies_in_a_folder_starts_no_program(name: str, home: Path) -> None:
    (home / PROJECT_FILE).write_text(f'[model]\ngenerator = "{name}"\n')
    with pytest.raises(SettingsError, match="not the plain name of a model"):
        surroundings(variables(home), home)
    (home / PROJECT_FILE).write_text('[model]\ngenerator = "stargan-synthetic"\n')
    assert surroundings({"HOME": str(home)}, home)[0].values["model.generator"]
    user_file(variables(home)).write_text(f'[model]\ngenerator = "{name}"\n')
    assert surroundings(variables(home), home / "project")[0].values["model.generator"] == name
