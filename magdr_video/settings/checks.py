"""Values that people wrote, against what the declarations allow."""

from __future__ import annotations

import math
from typing import Any, get_type_hints

from magdr_video.errors import SettingsError, nearest
from magdr_video.settings.sections import Settings, declared


def _kind(key: str) -> type:
    owner: Any = Settings
    *sections, leaf = key.split(".")
    for section in sections:
        owner = get_type_hints(owner)[section]
    kind: type = get_type_hints(owner)[leaf]
    return kind


def checked(key: str, value: Any, where: str) -> Any:
    """A value of the type, among the choices and in the range that its setting declares.

    Args:
        key: dotted.
        value: as it was read.
        where: what to name in an error.

    Raises:
        SettingsError: it is none.
    """
    about = declared()[key].metadata
    kind = _kind(key)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise SettingsError(
            f"{where}: {key} = {value!r} is not of type {kind.__name__}", hint=about["help"]
        )
    if about["choices"] and value not in about["choices"]:
        raise SettingsError(
            f"{where}: {key} = {value!r} is not allowed", hint=nearest(value, about["choices"])
        )
    low, high = about["low"], about["high"]
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingsError(f"{where}: {key} = {value} is no finite number", hint=about["help"])
    if (low is not None and value < low) or (high is not None and value > high):
        raise SettingsError(
            f"{where}: {key} = {value} is out of range",
            hint=f"{key} must lie in {low} .. {'any' if high is None else high}",
        )
    return value


def _from_text(key: str, text: str, where: str) -> Any:
    kind = _kind(key)
    if kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() not in words:
            raise SettingsError(f"{where}: {key} = {text!r} is not true or false")
        return words[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        raise SettingsError(
            f"{where}: {key} = {text!r} is not of type {kind.__name__}",
            hint=declared()[key].metadata["help"],
        ) from error


def require_known(key: str, where: str) -> None:
    """Refuse a key that nobody declares, with the nearest one that somebody does.

    Raises:
        SettingsError: it is unknown.
    """
    if key not in declared():
        raise SettingsError(f"{where}: unknown key '{key}'", hint=nearest(key, declared()))


def from_text(key: str, text: str, where: str) -> dict[str, Any]:
    """One setting that was given as text, checked.

    Args:
        key: dotted.
        text: the value, as a person writes it.
        where: what to name in an error.

    Raises:
        SettingsError: unknown key, wrong type, out of range.
    """
    require_known(key, where)
    return {key: checked(key, _from_text(key, text, where), where)}
