"""Presets and everything above them, layer by layer, to the settings of a run."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magdr_video.errors import SettingsError, nearest
from magdr_video.settings.checks import checked, from_text, require_known
from magdr_video.settings.sections import TASKS, Settings, build, declared

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


PACKAGE = Path(__file__).resolve().parents[1]


def preset_folder() -> Path:
    """Where the shipped presets lie: in the package, or beside it in a checkout."""
    inside = PACKAGE / "presets"
    return inside if inside.is_dir() else PACKAGE.parent / "presets"


def read_preset(path: Path) -> dict[str, Any]:
    """Read a preset into dotted keys, each checked.

    Raises:
        SettingsError: unreadable, not TOML, an unknown key or a value out of range.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(
            f"preset {path}: {error.strerror}", hint="name an existing TOML file"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"preset {path} is not TOML: {error}",
            hint="--print-config lists what a preset can hold, by section and key",
        ) from error
    flat: dict[str, Any] = {}
    for name, value in held.items():
        entries = value.items() if isinstance(value, Mapping) else [(None, value)]
        for leaf, leaf_value in entries:
            key = name if leaf is None else f"{name}.{leaf}"
            require_known(key, str(path))
            flat[key] = checked(key, leaf_value, str(path))
    return flat


@dataclass(frozen=True)
class Layer:
    """Settings from one place; a later layer wins over those before it."""

    origin: str
    """The place in words, for `--print-config`."""
    values: Mapping[str, Any]
    """By dotted key, each checked."""


def load_settings(
    *,
    task: str | None,
    preset: Path | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
    around: Sequence[Layer] = (),
) -> Settings:
    """The complete settings of a run: those of `resolve`, without their origins."""
    return resolve(
        task=task, preset=preset, overrides=overrides, flags=flags, around=around
    ).settings


@dataclass(frozen=True)
class Resolved:
    """Settings and where each value comes from."""

    settings: Settings
    origins: Mapping[str, str]
    """By dotted key."""


def resolve(
    *,
    task: str | None,
    preset: Path | None = None,
    overrides: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
    around: Sequence[Layer] = (),
) -> Resolved:
    """Task's preset < what lies around the run < the preset named < `--set` < flags.

    Args:
        task: one of `TASKS`, or None to take it from the layers.
        preset: the user's own TOML file.
        overrides: `key=value` texts, dotted keys.
        flags: dotted keys given as flags of their own; None values are ignored.
        around: files and environment (`surroundings`), lowest first; none for a call from Python,
            which should not depend on where it is made.

    Raises:
        SettingsError: anything unknown, out of range, or a preset for another task.
    """
    named = read_preset(preset) if preset else {}
    if task and named.get("task", task) != task:
        raise SettingsError(
            f"--task {task} and preset {preset} (task = '{named['task']}') disagree",
            hint="drop one of the two",
        )
    layers = [
        *around,
        Layer(f"--preset {preset}", named),
        Layer("--set", _overridden(overrides)),
        Layer("flag", _flagged(flags or {}, task)),
    ]
    chosen = "reenact"
    for layer in layers:
        chosen = layer.values.get("task", chosen)
    shipped = read_preset(preset_folder() / f"{chosen}.toml") | {"task": chosen}
    values: dict[str, Any] = {}
    origins = dict.fromkeys(declared(), "default")
    for layer in (Layer(f"preset {chosen}", shipped), *layers):
        values.update(layer.values)
        origins.update(dict.fromkeys(layer.values, layer.origin))
    return Resolved(build(values), origins)


def _overridden(texts: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            raise SettingsError(f"--set '{text}' has no '='", hint="write --set key=value")
        values |= from_text(key, value, "--set")
    return values


def _flagged(flags: Mapping[str, Any], task: str | None) -> dict[str, Any]:
    if task is not None and task not in TASKS:
        raise SettingsError(f"unknown task '{task}'", hint=nearest(task, TASKS))
    given = {"task": task, **flags}
    return {key: checked(key, v, "flag") for key, v in given.items() if v is not None}
