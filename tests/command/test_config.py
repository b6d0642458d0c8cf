"""Flags, files and the environment on their way to the settings of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.settings import flatten, load_settings
from tests.command.outcome import Run


def test_flags_become_settings(run: Run, clip: Path) -> None:
    given = (
        "--undefended",
        "--no-cache",
        "--crf",
        "20",
        "--face",
        "largest",
        "--set",
        "run.seed=5",
    )
    outcome = run("defend", clip, "--task", "edit", "--print-config", *given)
    assert outcome.code == 0
    shown = {
        cells[0]: cells[1]
        for line in outcome.out.splitlines()
        if len(cells := [cell.strip() for cell in line.split("│")[1:-1]]) == 4
    }
    assert shown.keys() >= flatten(load_settings(task="edit")).keys()
    for key, value in {
        "task": "edit",
        "detection.enabled": "False",
        "reconstruction.cache": "False",
        "output.crf": "20",
        "faces.which": "largest",
        "run.seed": "5",
        "run.strict": "False",
    }.items():
        assert shown[key] == value, key


def test_detect_takes_the_condition_that_its_generator_is_judged_under(
    run: Run, clip: Path
) -> None:
    given = ("--attributes", "Blond_Hair", "--no-cache", "--print-config")
    outcome = run("detect", clip, "--task", "edit", *given)
    assert outcome.code == 0
    for key, value in (("condition.attributes", "Blond_Hair"), ("reconstruction.cache", "False")):
        assert any(key in line and value in line for line in outcome.out.splitlines()), key
    outcome = run("detect", clip, "--expression", "sad", "--print-config")
    assert any("condition.expression" in x and "sad" in x for x in outcome.out.splitlines())


def test_the_environment_reaches_the_run_and_is_named(
    run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGDR_CRF", "33")
    for command in (("defend", "--print-config"), ("detect", "--print-config")):
        outcome = run(command[0], clip, *command[1:])
        assert outcome.code == 0
        assert any("33" in line and "MAGDR_CRF" in line for line in outcome.out.splitlines())
