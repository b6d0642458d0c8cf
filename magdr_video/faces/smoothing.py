"""Landmarks without jitter: a One-Euro filter in face units, and the number that shows it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Smoothing:
    """Settings of the filter. Speeds are in face sizes a second, cut-offs in hertz."""

    min_cutoff: float = 1.0
    """Cut-off of a face at rest; lower is steadier."""
    beta: float = 30.0
    """Gain of the cut-off with speed; the lag of an evenly moving face is at most
    1 / (2 pi beta) of its size, 0.5 % here."""
    derivative_cutoff: float = 4.0
    """Cut-off of the speed estimate. Chosen with `beta` in a sweep over a made-up head that sways
    by its own size in a second: at 2 Hz it lags by 4 % of its size at the turns, at 4 Hz by 1.3 %,
    and noise of 0.75 % of the size, at rest, comes out with less than half its jitter."""

    @staticmethod
    def of_strength(strength: float) -> Smoothing | None:
        """The default filter, `strength` times as slow; None (no filter) for 0."""
        if strength <= 0:
            return None
        usual = Smoothing()
        return Smoothing(usual.min_cutoff / strength, usual.beta / strength)


class OneEuro:
    """One-Euro filter (Casiez et al., CHI 2012) over P points that share one cut-off.

    One cut-off for all points keeps the shape of the face: five points that lag by different
    amounts would bend it.
    """

    def __init__(self, settings: Smoothing | None = None) -> None:
        self._settings = settings or Smoothing()
        self._value: NDArray[np.float64] | None = None
        self._raw: NDArray[np.float64] | None = None
        self._speed: NDArray[np.float64] | None = None

    def step(
        self, points: NDArray[np.floating], size: float, seconds: float
    ) -> NDArray[np.float64]:
        """Filter the next position.

        Args:
            points: (P, 2) in pixels.
            size: size of the face in pixels, the unit of speed.
            seconds: time since the previous call; clamped to at least 1 ms, because streams
                with repeated timestamps exist.

        Returns:
            (P, 2) smoothed; the first call returns its input.
        """
        here = np.asarray(points, np.float64)
        if self._value is None or self._raw is None or self._speed is None:
            self._value, self._raw, self._speed = here, here, np.zeros_like(here)
            return here
        elapsed = max(seconds, 1e-3)
        speed = (here - self._raw) / (max(size, 1.0) * elapsed)
        gain = _gain(self._settings.derivative_cutoff, elapsed)
        self._speed = self._speed + gain * (speed - self._speed)
        self._raw = here
        # the mean over the points cancels most of the detector's noise, which is not common
        # to them, and leaves the motion of the head, which is; turning the head keeps its part
        pace = float(np.linalg.norm(self._speed.mean(axis=0)))
        turn = float(np.linalg.norm(self._speed - self._speed.mean(axis=0), axis=1).mean())
        cutoff = self._settings.min_cutoff + self._settings.beta * (pace + 0.5 * turn)
        self._value = self._value + _gain(cutoff, elapsed) * (here - self._value)
        return self._value


def _gain(cutoff: float, seconds: float) -> float:
    return 1.0 / (1.0 + 1.0 / (2 * pi * cutoff * seconds))


class JitterMeter:
    """The jitter of many tracks while they run: `jitter` without holding their landmarks."""

    def __init__(self) -> None:
        self._last: dict[int, list[NDArray[np.float64]]] = {}
        self._seconds, self._eyes, self._count = 0.0, 0.0, 0

    @property
    def value(self) -> float:
        """Mean second difference over mean eye distance; 0 where no track has three frames."""
        return self._seconds / max(self._eyes, 1e-6) if self._count else 0.0

    def frame(self, landmarks: Mapping[int, NDArray[np.floating]]) -> None:
        """Add the next frame of the clip.

        Args:
            landmarks: (5, 2) by track; a track that is missing has ended or pauses.
        """
        self._last = {track: self._last.get(track, []) for track in landmarks}
        for track, marks in landmarks.items():
            held = self._last[track]
            held.append(np.asarray(marks, np.float64))
            if len(held) == 3:
                second = held[2] - 2 * held[1] + held.pop(0)
                self._seconds += float(np.linalg.norm(second, axis=-1).mean())
                self._eyes += float(np.linalg.norm(held[1][1] - held[1][0]))
                self._count += 1


def jitter(landmarks: NDArray[np.floating]) -> float:
    """Mean second difference of a track's landmarks over its eye distance.

    Args:
        landmarks: (T, 5, 2) of T successive frames of one track.

    Returns:
        A ratio, 0 for a still or evenly moving face; 0 when T < 3.
    """
    if len(landmarks) < 3:
        return 0.0
    points = np.asarray(landmarks, np.float64)
    second = np.linalg.norm(np.diff(points, n=2, axis=0), axis=-1).mean()
    eyes = np.linalg.norm(points[:, 1] - points[:, 0], axis=-1).mean()
    return float(second / max(eyes, 1e-6))
