"""The expression of a driving clip, frame by frame, as a condition for reenact."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from magdr_video.device import batch_size
from magdr_video.errors import InputError
from magdr_video.faces.alignment import align
from magdr_video.faces.tracker import FaceTracker
from magdr_video.models import zoo
from magdr_video.models.trunk import to_model_range
from magdr_video.video.reader import ClipReader

if TYPE_CHECKING:
    from magdr_video.faces.detector import FaceDetector
    from magdr_video.settings import Settings


@dataclass(frozen=True)
class Driving:
    """Action units over time."""

    seconds: tuple[Fraction, ...]
    """Times of the frames with a face, from the clip's start, rising."""
    units: Tensor
    """(T, 17) in [0, 1]."""

    def conditions(self, seconds: Sequence[Fraction]) -> Tensor:
        """Units at given times, (F, 17): the last frame at or before each; held at the ends."""
        rows = [max(0, bisect_right(self.seconds, at) - 1) for at in seconds]
        return self.units[rows]


def read_driving(
    clip: Path, settings: Settings, device: torch.device, finder: FaceDetector
) -> Driving:
    """Measure the largest face of a clip; 17 numbers a frame are kept.

    Raises:
        InputError: the clip cannot be read or shows no face.
        WeightsError: the estimator's weights are missing.
    """
    record = zoo.find_for(settings.model.au_estimator, "driving", "model.au_estimator")
    estimator = zoo.load(record, device)
    times: list[Fraction] = []
    rows: list[Tensor] = []
    with ClipReader(clip, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        aspect = float(reader.info.sample_aspect)
        tracker = FaceTracker(finder, which="largest", aspect=aspect)
        start: Fraction | None = None
        for batch, faces in tracker.track(reader):
            begin = Fraction(int(batch.pts[0])) * batch.time_base
            start = begin if start is None else start
            if len(faces) == 0:
                continue
            crops = align(batch, faces, record.size, record.alignment, device, aspect=aspect)
            with torch.no_grad():
                rows.append(estimator(to_model_range(crops.data)).cpu())
            pts = batch.pts[np.asarray(faces.frame)]
            times += [Fraction(int(at)) * batch.time_base - start for at in pts]
    if not rows:
        raise InputError(f"--driving {clip}: no face was found", hint="choose a clip with a face")
    return Driving(tuple(times), torch.cat(rows))
