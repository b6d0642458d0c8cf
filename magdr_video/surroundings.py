"""Settings that lie around a run: the user's file, the project's file, the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

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
    files = (user_file(variables), (folder or Path()) / PROJECT_FILE)
    layers = [Layer(str(path), read_preset(path)) for path in files if path.is_file()]
    for key, name in variable_names().items():
        if text := variables.get(name):
            layers.append(Layer(name, from_text(key, text, name)))
    return layers


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
