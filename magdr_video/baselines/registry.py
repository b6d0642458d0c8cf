"""The baselines by name, in the order of the paper's tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from magdr_video.baselines.adversarial import AdversarialTraining
from magdr_video.baselines.magnet import MagNetDetector, MagNetReformer
from magdr_video.baselines.menet import MeNet
from magdr_video.baselines.metzen import Metzen
from magdr_video.baselines.nnif import NnifProxy
from magdr_video.baselines.otd import OutputDetector
from magdr_video.baselines.pixel_deflection import PixelDeflection
from magdr_video.baselines.protocol import DetectorBaseline, ReconstructorBaseline
from magdr_video.baselines.randomization import Randomization
from magdr_video.baselines.safetynet import SafetyNet
from magdr_video.baselines.simple import BlurOnly, Jpeg, Noise
from magdr_video.baselines.super_resolution import (
    SuperResolutionDefence,
    SuperResolutionThroughJpeg,
)
from magdr_video.transforms.super_resolution import find_weights
from magdr_video.translation import Translator

DETECTORS: Mapping[str, Callable[[Translator], DetectorBaseline]] = {
    "safetynet": SafetyNet,
    "metzen": Metzen,
    "magnet": MagNetDetector,
    "otd": OutputDetector,
    "nnif-proxy": NnifProxy,
}
"""Rows of table 1; each is built for a generator, then fitted."""

RECONSTRUCTORS: Mapping[str, Callable[[Translator], ReconstructorBaseline]] = {
    "randomization": lambda _: Randomization(),
    "noise": lambda _: Noise(),
    "pixel-deflection": lambda _: PixelDeflection(),
    "magnet-reformer": lambda _: MagNetReformer(),
    "me-net": lambda _: MeNet(),
    "adversarial-training": AdversarialTraining,
    "blur-only": lambda _: BlurOnly(),
    "jpeg": lambda _: Jpeg(),
    "super-resolution": lambda _: SuperResolutionDefence(weights=find_weights()),
    "super-resolution-jpeg": lambda _: SuperResolutionThroughJpeg(weights=find_weights()),
}
"""Columns of table 2; those that learn (`TrainedReconstructor`) are fitted before use."""

BASELINES = (*DETECTORS, *RECONSTRUCTORS)
"""Every name."""
ALL = "baselines"
"""Stands for all of them where some can be left out."""
