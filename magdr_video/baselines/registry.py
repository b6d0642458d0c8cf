"""The baselines by name, in the order of the paper's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from magdr_video.baselines.protocol import DetectorBaseline, ReconstructorBaseline
from magdr_video.baselines.randomization import Randomization
from magdr_video.baselines.simple import BlurOnly, Jpeg, Noise
from magdr_video.translation import Translator

DETECTORS: Mapping[str, Callable[[Translator], DetectorBaseline]] = {}
"""Rows of table 1; each is built for a generator, then fitted."""

RECONSTRUCTORS: Mapping[str, Callable[[Translator], ReconstructorBaseline]] = {
    "randomization": lambda _: Randomization(),
    "noise": lambda _: Noise(),
    "blur-only": lambda _: BlurOnly(),
    "jpeg": lambda _: Jpeg(),
}
"""Columns of table 2; those that learn (`TrainedReconstructor`) are fitted before use."""
