"""What a run is told of tables that were fitted with other weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.errors import SettingsError
from magdr_video.loading import find_recnet, load_models
from magdr_video.models.zoo import find
from magdr_video.settings import Settings, load_settings, preset_folder

PURIFIER = f'purifier = "{find("purifier").sha256}"\n'
SETTING = {"edit.toml": "detection.table", "recnet-edit.toml": "reconstruction.table"}


def changed(name: str, folder: Path, old: str, new: str) -> str:
    text = (preset_folder() / "tables" / name).read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = folder / name
    path.write_text(text.replace(old, new), encoding="utf-8")
    return f"{SETTING[name]}={path}"


def notes(*overrides: str) -> tuple[str, ...]:
    return load_models(load_settings(task="edit", overrides=["run.device=cpu", *overrides])).notes


@pytest.fixture(params=SETTING)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_shipped_tables_need_no_word() -> None:
    assert notes("run.strict=true") == ()


def test_a_table_that_tells_no_purifier_is_taken_with_a_word_even_under_strict(
    name: str, tmp_path: Path
) -> None:
    table = changed(name, tmp_path, PURIFIER, "")
    said = f"table {name} does not say which purifier it was fitted with"
    assert notes(table) == notes(table, "run.strict=true") == (said,)


def test_a_table_of_another_purifier_is_taken_with_a_word_and_refused_under_strict(
    name: str, tmp_path: Path
) -> None:
    table = changed(name, tmp_path, PURIFIER, f'purifier = "{"1" * 64}"\n')
    assert notes(table) == (f"table {name} was fitted with another purifier",)
    kind = "recnet" if name.startswith("recnet") else "calibrate"
    with pytest.raises(SettingsError, match="another purifier") as caught:
        notes(table, "run.strict=true")
    assert caught.value.hint == f"run: magdr-video train {kind} --task edit"


def test_what_differs_is_said_in_one_line(tmp_path: Path) -> None:
    table = changed("recnet-edit.toml", tmp_path, PURIFIER, f'purifier = "{"1" * 64}"\n')
    settings: Settings = load_settings(task="edit", overrides=[table])
    _, said = find_recnet(settings, "0" * 64, ())
    assert said == (
        "table recnet-edit.toml was fitted with other weights than stargan-synthetic "
        "and another purifier",
    )
