"""What a clip that nothing was done to must share with its source."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tests.conformance.player import UNTAGGED, Shown

MEAN_ERROR = 1.5
"""Of 255, mean over a clip: what two conversions to RGB and a last bit of the encoder make."""


def assert_alike(source: Shown, result: Shown, *, exact: bool, keeps_start: bool) -> None:
    """Frames, times, displayed size, colour, streams.

    Args:
        exact: both containers hold every time of the other; else to the millisecond.
        keeps_start: the container begins where it is told to; MPEG-TS does not.
    """
    assert len(result.seconds) == len(source.seconds) == len(result.pictures)
    slack = Fraction(0) if exact else Fraction(1, 2000)
    begins = [0, 0] if keeps_start else [source.seconds[0], result.seconds[0]]
    for before, after in zip(source.seconds, result.seconds, strict=True):
        assert abs((after - begins[1]) - (before - begins[0])) <= slack
    assert result.pictures.shape == source.pictures.shape
    assert result.display == source.display
    error = np.abs(result.pictures.astype(np.int16) - source.pictures).mean()
    assert error <= MEAN_ERROR, f"colours are off by {error:.2f}"
    assert result.bits == source.bits
    _assert_tags(source, result)


def _assert_tags(source: Shown, result: Shown) -> None:
    """Whatever was said is said again; what was not may be said as the usual rule guesses it."""
    for before, after in zip(source.colour[:3], result.colour[:3], strict=True):
        assert before in (after, UNTAGGED)
    full = 2
    assert (result.colour[3] == full) == (source.colour[3] == full)


def assert_same_streams(source: Shown, result: Shown) -> None:
    """Every other stream byte by byte, and where it began."""
    assert result.packets == source.packets
    for key, start in source.starts.items():
        assert abs(result.starts[key] - start) <= Fraction(1, 1000), key
    assert result.chapters == source.chapters
