from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.errors import SettingsError
from magdr_video.loading import load_models
from magdr_video.settings import load_settings, preset_folder
from magdr_video.training import baselines
from magdr_video.training.baselines import BaselinesRecipe, chosen
from magdr_video.training.calibration_faces import Subject
from magdr_video.training.paired import read_recipe


@pytest.fixture(scope="module")
def subject() -> Subject:
    settings = load_settings(task="edit")
    return Subject(settings, load_models(settings))


def test_all_that_learn_are_trained_unless_some_are_named(subject: Subject) -> None:
    everything = chosen("", subject)
    assert {"metzen", "otd", "magnet", "magnet-reformer", "adversarial-training"} <= {*everything}
    assert "jpeg" not in everything
    assert chosen("otd, metzen", subject) == ["otd", "metzen"]


@pytest.mark.parametrize("name", ["jpeg", "metzn"])
def test_a_name_that_does_not_learn_is_refused(subject: Subject, name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        chosen(name, subject)


def test_the_preset_is_the_recipe() -> None:
    path = preset_folder() / "training" / "baselines.toml"
    assert read_recipe(BaselinesRecipe, path) == BaselinesRecipe()


def test_a_quick_training_leaves_a_state(data_dir: Path, tmp_path: Path) -> None:
    recipe = BaselinesRecipe(attacked_faces=2, picture_faces=2)
    lines = baselines.train("edit", recipe, data=data_dir, out=tmp_path, only="safetynet")
    assert len(lines) == 1
    assert [path.name.rpartition("-")[0] for path in tmp_path.iterdir()] == ["safetynet"]
