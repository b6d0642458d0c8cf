"""SIGINT and SIGTERM: the first lets work come to a good end, the second stops it now."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from magdr_video.errors import Interrupted

STOPPING = b"magdr-video: stopping once the segment is whole; the same signal again stops now\n"


@dataclass
class _Heard:
    """What this process has been told; signals are a matter of the whole process."""

    number: int = 0
    patient: bool = False
    aloud: bool = True


_heard = _Heard()


def heed_signals(*, aloud: bool = True) -> None:
    """Answer SIGINT and SIGTERM from now on; called once, by the program itself.

    Args:
        aloud: tell on stderr that the first signal was heard.
    """
    _heard.number, _heard.patient, _heard.aloud = 0, False, aloud
    signal.signal(signal.SIGINT, _answer)
    signal.signal(signal.SIGTERM, _answer)


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


def _answer(number: int, _frame: FrameType | None) -> None:
    if _heard.patient and not _heard.number:
        _heard.number = number
        if _heard.aloud:
            tell_stopping()
        return
    signal.signal(number, signal.SIG_DFL)  # one more ends the process on the spot
    raise Interrupted("stopped by a signal; nothing half-written is left", signal_number=number)


def tell_stopping() -> None:
    """Say that work comes to its end; not by print, in the middle of which a signal may come."""
    os.write(2, STOPPING)
