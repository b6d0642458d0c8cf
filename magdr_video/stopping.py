"""SIGINT and SIGTERM: the first lets work come to a good end, the second stops it now."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from magdr_video.errors import Interrupted

STOPPING = b"magdr-video: stopping once the segment is whole; the same signal again stops now\n"
AGAIN_SECONDS = 0.05
"""After which a signal is answered that came at a moment when it could not be."""
IMPORTER = "<frozen importlib."


@dataclass
class _Heard:
    """What this process has been told; signals are a matter of the whole process."""

    number: int = 0
    patient: bool = False
    aloud: bool = True
    put_off: bool = False
    raised: Interrupted | None = None


_heard = _Heard()


def heed_signals(*, aloud: bool = True) -> None:
    """Answer SIGINT and SIGTERM from now on; called once, by the program itself.

    Args:
        aloud: tell on stderr that the first signal was heard.
    """
    _heard.number, _heard.patient, _heard.aloud, _heard.put_off = 0, False, aloud, False
    _heard.raised = None
    signal.signal(signal.SIGINT, _answer)
    signal.signal(signal.SIGTERM, _answer)
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _hear_again


def heed_no_more() -> None:
    """The program has said its last word: a signal ends the process, without a word."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def interruption() -> Interrupted | None:
    """What a signal has raised, for whoever meets another error: a library may have made it so."""
    return _heard.raised


@contextmanager
def patiently() -> Iterator[Callable[[], int]]:
    """Inside, the first signal only leaves its number for the block to ask for.

    Where nobody called `heed_signals`, signals do what they did before, and the number stays 0.

    Yields:
        A function that gives the number of the signal that was heard, or 0.
    """
    _heard.patient = True
    try:
        yield lambda: _heard.number
    finally:
        _heard.patient = False


def _answer(number: int, frame: FrameType | None) -> None:
    if _heard.patient and not _heard.number:
        _heard.number = number
        if _heard.aloud:
            tell_stopping()
        return
    if _is_importing(frame):
        # Libraries catch what happens while they are loaded, or make another error of it.
        _put_off(number)
        return
    signal.signal(number, signal.SIG_DFL)  # one more ends the process on the spot
    _heard.raised = Interrupted(
        "stopped by a signal; nothing half-written is left", signal_number=number
    )
    raise _heard.raised


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith(IMPORTER):
            return True
        frame = frame.f_back
    return False


def _put_off(number: int) -> None:
    if _heard.put_off:
        return
    _heard.put_off = True

    def again() -> None:
        _heard.put_off = False
        os.kill(os.getpid(), number)

    timer = threading.Timer(AGAIN_SECONDS, again)
    timer.daemon = True
    timer.start()


def _hear_again(about: Any) -> None:
    """An answer that was lost in a destructor or callback, which can raise nothing, comes again."""
    if not isinstance(about.exc_value, Interrupted):
        sys.__unraisablehook__(about)
        return
    number = about.exc_value.exit_code - 128
    signal.signal(number, _answer)
    _put_off(number)


def tell_stopping() -> None:
    """Say that work comes to its end; not by print, in the middle of which a signal may come."""
    os.write(2, STOPPING)
