"""Every error a user can cause, and the exit code that goes with it.

    MagdrError
    +-- RuntimeFailure      1   a stage failed under --strict; frames out differ from frames in
    +-- UsageError          2   flags that do not fit together
    +-- InputError          3   missing, not a video, truncated, no video stream, undecodable
    +-- SettingsError       4   unknown key, value out of range, task and preset disagree
    +-- WeightsError        5   weights missing, of the wrong shape, or of the wrong hash
    +-- DeviceError         6   device unavailable or out of memory
    +-- OutputError         7   output exists, is unwritable, is the input; disk full
    +-- PolicyError         8   refused by a provenance or consent rule
    +-- PartialFailure      9   a batch in which some inputs failed
    +-- Interrupted       130   SIGINT (143 for SIGTERM), after clean-up
    +-- ClosedPipe        141   nobody reads our output any more; ends without a word

A `MagdrError` is a user's mistake or the world's: it is shown as one line and one hint. Anything
else that escapes is our own mistake and keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any
from unicodedata import category


class MagdrError(Exception):
    """Base of all errors that are shown without a traceback.

    Args:
        message: what was given, what is allowed, and where.
        hint: what to do about it; one sentence.
    """

    exit_code = 1
    run: Any = None
    """The `RunReport` of what was done by then, where something was."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class RuntimeFailure(MagdrError):
    """The run failed after it had begun well."""

    exit_code = 1


class UsageError(MagdrError):
    """Flags that do not fit together."""

    exit_code = 2


class InputError(MagdrError):
    """An input that cannot be read."""

    exit_code = 3


class SettingsError(MagdrError):
    """A preset or a setting that is invalid."""

    exit_code = 4


class WeightsError(MagdrError):
    """Weights that are missing, do not fit, or are not what they claim to be."""

    exit_code = 5


class DeviceError(MagdrError):
    """A device that is not there, or whose memory is spent."""

    exit_code = 6


class OutputError(MagdrError):
    """An output that exists, cannot be written, or is the input."""

    exit_code = 7


class PolicyError(MagdrError):
    """A run that a policy refuses."""

    exit_code = 8


class PartialFailure(MagdrError):
    """Some inputs of a batch failed, at least one was done."""

    exit_code = 9


class Interrupted(MagdrError):
    """A signal asked us to stop; what was written so far is whole.

    Args:
        signal_number: SIGINT (2) or SIGTERM (15); the exit code is 128 more.
    """

    def __init__(self, message: str, *, signal_number: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


class ClosedPipe(MagdrError):
    """Whoever read our output has seen enough; not a failure, so nothing is said."""

    exit_code = 141


def printable(text: str) -> str:
    """Text as one line for people: what would break or colour a line is escaped.

    File names may hold newlines, escape sequences of terminals, and bytes that are no text.
    """
    return "".join(
        ascii(letter)[1:-1] if category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter
        for letter in text
    )


def describe(error: MagdrError) -> str:
    """An error as people see it: one line, and a hint on a second."""
    lines = [f"magdr-video: {printable(str(error))}"]
    if error.hint:
        lines.append(f"  hint: {printable(error.hint)}")
    return "\n".join(lines)


def nearest(word: object, allowed: Iterable[str]) -> str:
    """A hint that names the closest allowed word, or all of them when none is close."""
    options = sorted(allowed)
    close = get_close_matches(str(word), options, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"allowed: {', '.join(options)}"
