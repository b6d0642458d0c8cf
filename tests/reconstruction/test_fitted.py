"""Rec-Net's table: what is read is what was written, and what is wrong is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from magdr_video.errors import SettingsError
from magdr_video.faces.regions import REGIONS
from magdr_video.models.zoo import find
from magdr_video.reconstruction.fitted import Fit, RecNetTable, load_recnet, unfitted
from magdr_video.settings import TASKS, load_settings, preset_folder
from magdr_video.training.recnet_table import table_text
from magdr_video.transforms import parse_chain

CHAIN = parse_chain("guided(eps=0.003) > jpeg(quality=75)")
TABLE = RecNetTable(
    task="edit",
    model="a" * 64,
    single=Fit(CHAIN, {"hair": parse_chain("nlm(strength=1)"), "nose": ()}, (CHAIN[:1], ())),
    averaged=Fit((), {}, (CHAIN,)),
    layers=(CHAIN[:1], CHAIN[1:], ()),
    window=3,
    margin=0.5,
    purifier="b" * 64,
    motion_purifier="c" * 64,
)


def test_a_table_that_is_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "recnet-edit.toml"
    path.write_text(table_text(TABLE, ["Made by a test", "with two lines"]))
    assert load_recnet(path) == TABLE
    assert path.read_text().startswith("# Made by a test\n# with two lines\n")


def test_a_table_of_before_the_purifier_was_recorded_tells_none(tmp_path: Path) -> None:
    path = tmp_path / "recnet-edit.toml"
    lines = table_text(TABLE, []).splitlines()
    path.write_text("\n".join(line for line in lines if "purifier" not in line))
    assert load_recnet(path) == replace(TABLE, purifier="", motion_purifier="")


def test_a_region_without_a_chain_of_its_own_takes_the_default() -> None:
    recipes = {r.region: r.chain for r in TABLE.single.recipes(("hair", "skin", "nose"))}
    assert recipes == {"hair": parse_chain("nlm(strength=1)"), "skin": CHAIN, "nose": ()}


def test_without_pre_training_there_is_one_chain_and_nothing_to_search_among() -> None:
    table = unfitted("edit", CHAIN)
    assert table.single.default == table.averaged.default == CHAIN
    assert table.single.candidates == () and table.layers == ()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("jpeg", "jpg"), "'jpg' is not a transform"),
        (("[averaged]", "[average]"), "averaged"),
        (("margin = 0.5", "margin = 'much'"), "could not convert"),
        (("model =", "model"), "Expected '='"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_and_says_why(
    tmp_path: Path, change: tuple[str, str], complaint: str
) -> None:
    path = tmp_path / "recnet-edit.toml"
    path.write_text(table_text(TABLE, []).replace(*change))
    with pytest.raises(SettingsError, match=complaint):
        load_recnet(path)


def test_a_missing_table_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_recnet(tmp_path / "recnet-edit.toml")
    assert "train recnet --task edit" in caught.value.hint


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_table_of_a_task_was_fitted_with_its_shipped_weights(task: str) -> None:
    path = preset_folder() / "tables" / f"recnet-{task}.toml"
    table, settings = load_recnet(path), load_settings(task=task)
    assert table.task == task
    assert table.model == find(settings.model.generator).sha256
    assert table.purifier == find("purifier").sha256
    assert table.motion_purifier in ("", find("motion-purifier").sha256)
    assert table.window in (1, 3, 5, 9)
    assert f"magdr-video train recnet --task {task}" in path.read_text().splitlines()[0]
    for fit in (table.single, table.averaged):
        assert set(fit.regions or {}) <= set(REGIONS)
