"""`train NAME [OPTIONS]`: the recipes that made the shipped weights and tables."""

from __future__ import annotations

import importlib
import sys

import typer

from magdr_video.errors import UsageError, nearest

RECIPES = (
    "au",
    "baselines",
    "calibrate",
    "cyclegan",
    "ganimation",
    "motion-purifier",
    "parser",
    "purifier",
    "recnet",
    "stargan",
)
"""Modules of `training/`, each with a `main` that reads its own options."""

ELSEWHERE = {"baselines": "magdr_video.benchmark.trained"}
"""The benchmark trains its baselines on the faces that it splits itself."""

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def train(
    context: typer.Context,
    name: str = typer.Argument(..., help=f"One of {', '.join(RECIPES)}."),
) -> None:
    """Run a training recipe; `magdr-video train NAME --help` shows its options."""
    if name in ("-h", "--help"):
        print(f"magdr-video train NAME [OPTIONS]\n\nNAME is one of {', '.join(RECIPES)}.")
        return
    if name not in RECIPES:
        raise UsageError(f"there is no recipe '{name}'", hint=nearest(name, RECIPES))
    here = f"magdr_video.training.{name.replace('-', '_')}"
    module = importlib.import_module(ELSEWHERE.get(name, here))
    sys.argv = [f"magdr-video train {name}", *context.args]
    from magdr_video.training.running import run_told

    run_told(module.main)
