"""Bad input to a training ends in one line with a hint and the documented exit code."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from magdr_video.errors import InputError, MagdrError, OutputError, SettingsError, WeightsError
from magdr_video.training.cyclegan import CycleganRecipe
from magdr_video.training.loop import CHECKPOINT, load_checkpoint, save_checkpoint
from magdr_video.training.moving_training import MovingRecipe, MovingTraining
from magdr_video.training.paired import read_recipe
from magdr_video.training.running import run_alone, run_steps, run_training
from tests.training.test_moving_pairs import TINY, training


@pytest.mark.parametrize(
    "text",
    ['steps = "many"', "steps = true", "steps = -1", "batch = 0", "size = 128.5", "steps = ["],
)
def test_a_recipe_with_a_value_that_does_not_fit_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(SettingsError) as refused:
        read_recipe(CycleganRecipe, tmp_path / "r.toml")
    assert refused.value.exit_code == 4


def test_a_whole_number_will_do_for_a_real_one(tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text("rate = 1")
    assert read_recipe(CycleganRecipe, tmp_path / "r.toml").rate == 1


def test_a_recipe_that_is_not_there_is_a_missing_input(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        read_recipe(CycleganRecipe, tmp_path / "none.toml")


@pytest.mark.parametrize("given", [["--workers", "-1"], ["--device", "gpu"]])
def test_options_out_of_range_are_refused_before_anything_is_made(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "runs"
    argv = ["train", "--data", str(tmp_path), "--out", str(out), *given]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(MagdrError):
        run_training("", CycleganRecipe, "presets/training/cyclegan.toml", pytest.fail)
    assert not out.exists()


def test_a_file_in_the_place_of_the_folder_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").touch()
    argv = ["train", "--data", str(tmp_path), "--out", str(tmp_path / "runs"), "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(OutputError):
        run_training("", CycleganRecipe, "presets/training/cyclegan.toml", pytest.fail)


def test_whoever_draws_is_let_go_of_when_a_step_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, closed = training(), []
    monkeypatch.setattr(held, "close", lambda: closed.append(True))
    run_steps(held, steps=1, batch=2, folder=tmp_path)
    assert len(closed) == 1
    monkeypatch.setattr(held, "step", lambda index: {}["loss"])
    with pytest.raises(KeyError):
        run_steps(held, steps=2, batch=2, folder=tmp_path)
    assert len(closed) == 2


@pytest.mark.parametrize("other", [{"width": 6}, {"critic_weight": 0.1}])
def test_a_checkpoint_of_another_recipe_is_refused(other: dict[str, float], tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 2, training())
    recipe: MovingRecipe = replace(TINY, **other)  # type: ignore[arg-type]
    held: MovingTraining = training(recipe)
    with pytest.raises(WeightsError, match="another recipe"):
        load_checkpoint(tmp_path, held)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"PK half of a file")
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint(tmp_path, training())
    torch.save({"index": 1}, tmp_path / CHECKPOINT)
    with pytest.raises(WeightsError, match="damaged"):
        load_checkpoint(tmp_path, training())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOTDIR])
def test_a_disk_that_refuses_is_one_line_with_the_file_and_its_code(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def write() -> None:
        raise OSError(number, os.strerror(number), "/data/table.toml")

    with pytest.raises(SystemExit) as ended:
        run_alone(write)
    assert ended.value.code == OutputError.exit_code
    line, hint = capsys.readouterr().err.splitlines()
    assert line == f"magdr-video: /data/table.toml: {os.strerror(number)}"
    assert hint.startswith("  hint: ")


def test_an_error_of_our_own_keeps_its_traceback() -> None:
    def fail() -> None:
        raise OSError(errno.EBADF, "bad file descriptor")

    with pytest.raises(OSError, match="descriptor"):
        run_alone(fail)
