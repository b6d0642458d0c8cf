"""Settings that lie around a run: the user's file, the project's file, the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from magdr_video.errors import SettingsError
from magdr_video.settings import Layer, declared, from_text, read_preset

PROJECT_FILE = "magdr-video.toml"
"""Looked for in the current folder; it has the form of a preset."""


def surroundings(
    environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> list[Layer]:
    """What applies to a run in this folder, lowest first: user file, project file, environment.

    Args:
        environment: variables; those of this process when absent.
        folder: where the project's file lies; the current one when absent.

    Raises:
        SettingsError: a file or a variable holds an unknown key or a wrong value.
    """
    variables = os.environ if environment is None else environment
    files = (user_file(variables), project := (folder or Path()) / PROJECT_FILE)
    layers = [Layer(str(path), read_preset(path)) for path in files if path.is_file()]
    _refuse_code(project, layers)
    for key, name in variable_names().items():
        if text := variables.get(name):
            layers.append(Layer(name, from_text(key, text, name)))
    return layers


def _refuse_code(project: Path, layers: list[Layer]) -> None:
    """A generator may be a program; a file that merely lies in a folder may not start one."""
    for layer in layers:
        name = str(layer.values.get("model.generator", ""))
        if layer.origin == str(project) and not re.fullmatch(r"[\w-]*", name):
            raise SettingsError(
                f"{project}: model.generator = '{name}' is not the plain name of a model",
                hint="name files and programs by --generator, --preset or in your own config.toml",
            )


def user_file(environment: Mapping[str, str]) -> Path:
    """The user's own settings, by the XDG base directory specification."""
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")) / ".config"
    return Path(home).expanduser() / "magdr-video" / "config.toml"


def variable_names() -> dict[str, str]:
    """The variable of each setting by dotted key.

    MAGDR_CRF for a setting with a flag of its own, MAGDR_FACES_PERIOD for faces.period.
    """
    return {
        key: "MAGDR_" + (about.metadata["flag"] or key).upper().translate(str.maketrans("-.", "__"))
        for key, about in declared().items()
    }
