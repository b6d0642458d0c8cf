"""Part of a clip, as it falls on the clip's frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain

from magdr_video.errors import SettingsError
from magdr_video.video.batching import Placed
from magdr_video.video.span import Span

Heard = Callable[[Fraction], None]
"""Takes a time of the clip, in seconds."""


@dataclass
class Stretch:
    """A span as it fell on a clip; seconds on the clip's own clock."""

    begin: Fraction | None = None
    """Time of the first frame that is read; None where nothing was cut off before it."""
    end: Fraction | None = None
    """When it ends; None until reading has reached an end that was named as a frame."""
    shift: Fraction = Fraction(0)
    """What is subtracted from every time, so that the part begins where the clip began."""


class SpanCutter:
    """Cuts a clip's frames to a span.

    Args:
        span: what to keep.
        time_base: of the frames' pts.
        stretch: where the span falls is written into it.
    """

    def __init__(self, span: Span, time_base: Fraction, stretch: Stretch) -> None:
        self._span, self._base, self._stretch = span, time_base, stretch
        self._zero = 0

    def cut(self, frames: Iterator[Placed], passing: Heard, ending: Heard) -> Iterator[Placed]:
        """Frames of the span, the first one found at once, with the times of the result.

        Args:
            frames: of the whole clip.
            passing: called with the time of every frame before the span.
            ending: called once the span has been read, with the time where it ends.

        Raises:
            SettingsError: the clip has no frame in the span.
        """
        if self._span.whole:
            return frames
        number, first = self._find_first(frames, passing)
        if self._is_over(number, first[1]):
            raise SettingsError(
                "no frame of the clip lies between --start and --end", hint="name a later --end"
            )
        if number:
            self._stretch.begin = first[1] * self._base
            self._stretch.shift = (first[1] - self._zero) * self._base
        if self._span.end is not None and self._span.end.seconds is not None:
            self._stretch.end = self._zero * self._base + self._span.end.seconds
        rest = chain((first,), frames)
        return self._up_to_end(rest, number, first[1] - self._zero, ending)

    def _find_first(self, frames: Iterator[Placed], passing: Heard) -> tuple[int, Placed]:
        """The number in the clip of the span's first frame, and that frame."""
        start, elapsed, number = self._span.start, Fraction(0), 0
        for number, placed in enumerate(frames):
            self._zero = placed[1] if number == 0 else self._zero
            elapsed = (placed[1] - self._zero) * self._base
            if start is None or start.is_reached(number, elapsed):
                return number, placed
            passing(placed[1] * self._base)
        raise SettingsError(
            f"--start {start.text if start else ''} lies behind the last frame, "
            f"number {number} at {float(elapsed):.3f} s",
            hint="frames are counted from 0, seconds from the first frame",
        )

    def _up_to_end(
        self, frames: Iterator[Placed], number: int, shift: int, ending: Heard
    ) -> Iterator[Placed]:
        for index, (frame, pts, duration) in enumerate(frames, number):
            if self._is_over(index, pts):
                if self._stretch.end is None:
                    self._stretch.end = pts * self._base
                ending(pts * self._base)
                return
            yield frame, pts - shift, duration

    def _is_over(self, number: int, pts: int) -> bool:
        end = self._span.end
        return end is not None and end.is_reached(number, (pts - self._zero) * self._base)
