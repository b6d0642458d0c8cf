"""Part of a clip, as it is asked for: `--start` and `--end`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from magdr_video.errors import SettingsError, UsageError

CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d+)?)")
"""h:mm:ss.mmm, mm:ss.mmm or seconds."""
FRAME = re.compile(r"(\d+)f")


@dataclass(frozen=True)
class Instant:
    """A place in a clip, counted from its first frame: seconds, or a number of frames."""

    text: str
    """As it was asked for."""
    seconds: Fraction | None = None
    frame: int | None = None

    def about(self, rate: Fraction) -> Fraction:
        """Seconds after the first frame, at a constant rate of frames a second."""
        if self.frame is not None:
            return self.frame / rate if rate else Fraction(0)
        return self.seconds or Fraction(0)

    def is_reached(self, index: int, elapsed: Fraction) -> bool:
        """True from the frame on that lies at this place.

        Args:
            index: of a frame in the whole clip.
            elapsed: its time after the first frame, seconds.
        """
        return index >= self.frame if self.frame is not None else elapsed >= (self.seconds or 0)


@dataclass(frozen=True)
class Span:
    """Frames from `start` on, up to but without `end`; None is the clip's own start or end."""

    start: Instant | None = None
    end: Instant | None = None

    @property
    def whole(self) -> bool:
        """True where nothing is cut off."""
        return self.start is None and self.end is None

    def length(self, duration: Fraction | None, rate: Fraction) -> Fraction | None:
        """How long the part is, about, in seconds; None where it reaches an unknown end.

        Args:
            duration: of the whole clip, None where unknown.
            rate: frames a second on average; places given as frames are rated by it.
        """
        ends = [] if duration is None else [duration]
        ends += [] if self.end is None else [self.end.about(rate)]
        begin = Fraction(0) if self.start is None else self.start.about(rate)
        return max(min(ends) - begin, Fraction(0)) if ends else None


WHOLE = Span()


def parse_instant(text: str, flag: str) -> Instant:
    """Read seconds ('12.5'), a clock ('1:02:03.500') or frames ('120f').

    Args:
        flag: the option's name, for the message.

    Raises:
        UsageError: it is none of them.
    """
    frame, clock = FRAME.fullmatch(text.strip()), CLOCK.fullmatch(text.strip())
    if frame:
        return Instant(text, frame=int(frame[1]))
    if clock and (clock[2] is None or float(clock[3]) < 60):
        hours, minutes, seconds = (Fraction(part or 0) for part in clock.groups())
        return Instant(text, seconds=hours * 3600 + minutes * 60 + seconds)
    raise UsageError(
        f"{flag} '{text}' is no place in a clip", hint="seconds, h:mm:ss.mmm, or frames as 120f"
    )


def parse_span(start: str | None, end: str | None) -> Span:
    """The span that `--start` and `--end` ask for.

    Raises:
        UsageError: one of them cannot be read.
        SettingsError: it ends where it starts, or before.
    """
    first = None if start is None else parse_instant(start, "--start")
    last = None if end is None else parse_instant(end, "--end")
    if first and last and _is_empty(first, last):
        raise SettingsError(f"--end {end} does not come after --start {start}", hint="swap them")
    if last and not (last.frame or last.seconds):
        raise SettingsError(f"--end {end} leaves no frame", hint="name a later place")
    return Span(first, last)


def _is_empty(start: Instant, end: Instant) -> bool:
    """As far as it can be told without the clip."""
    if start.frame is not None and end.frame is not None:
        return end.frame <= start.frame
    if start.seconds is not None and end.seconds is not None:
        return end.seconds <= start.seconds
    return False
