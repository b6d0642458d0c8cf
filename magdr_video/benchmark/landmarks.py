"""How far landmarks that are looked at now and then lie from those of every frame."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magdr_video.benchmark.stage_costs import first_frames
from magdr_video.device import batch_size
from magdr_video.faces.matching import assign, overlap
from magdr_video.loading import Models
from magdr_video.settings import Settings
from magdr_video.staging import face_finder, face_tracker
from magdr_video.types import Faces
from magdr_video.video.reader import ClipReader

_SAME = 0.3
"""Overlap from which two boxes hold the same face."""

_LEFT_EYE, _RIGHT_EYE = 0, 1


@dataclass(frozen=True)
class LandmarkErrors:
    """Faces of a run against those of a run that detects in every frame."""

    errors: NDArray[np.float64]
    """(M,) mean distance of a face's five landmarks over the reference's eye distance."""
    faces: int
    """Faces of the reference."""
    extra: int
    """Faces that the reference does not have."""
    passes: int
    """Full detections of the run."""
    refined: int
    """Faces that went through the last net alone."""
    frames: int

    def values(self) -> dict[str, float]:
        """As JSON values; errors in parts of the eye distance."""
        found = self.errors if len(self.errors) else np.full(1, np.nan)
        return {
            "faces": self.faces,
            "missed": self.faces - len(self.errors),
            "extra": self.extra,
            "mean": float(found.mean()),
            "median": float(np.median(found)),
            "p95": float(np.percentile(found, 95)),
            "passes_per_frame": self.passes / max(1, self.frames),
            "refined_per_face_frame": self.refined / max(1, self.faces),
        }


def landmark_errors(
    clip: Path, settings: Settings, models: Models, limit: int = 0
) -> LandmarkErrors:
    """Track a clip's faces as the settings say, and with a full detection in every frame.

    Args:
        limit: frames, rounded up to batches; 0 is all.
    """
    every = dataclasses.replace(settings.faces, period=1)
    reference, _, _ = _tracked(clip, dataclasses.replace(settings, faces=every), models, limit)
    tracked, passes, refined = _tracked(clip, settings, models, limit)
    errors: list[float] = []
    extra = 0
    for wanted, got in zip(reference, tracked, strict=True):
        shared = overlap(wanted.boxes, got.boxes)
        pairs = assign(np.where(shared >= _SAME, 1 - shared, np.inf).clip(max=1e3))
        errors += [_error(wanted.landmarks[a], got.landmarks[b]) for a, b in pairs]
        extra += len(got) - len(pairs)
    faces = sum(map(len, reference))
    return LandmarkErrors(np.array(errors), faces, extra, passes, refined, len(tracked))


def _tracked(
    clip: Path, settings: Settings, models: Models, limit: int
) -> tuple[list[Faces], int, int]:
    """Faces of each frame, full detections, and looks of the last net."""
    finder = face_finder(settings, models)
    with ClipReader(clip, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        tracker = face_tracker(settings, reader.info, finder, models.device)
        found = [
            one
            for batch, faces in tracker.track(first_frames(reader, limit))
            for one in _by_frame(faces, len(batch))
        ]
    return found, finder.passes, finder.refined


def _by_frame(faces: Faces, frames: int) -> Iterator[Faces]:
    for frame in range(frames):
        rows = np.flatnonzero(faces.frame == frame)
        names = [field.name for field in dataclasses.fields(Faces)]
        yield Faces(**{name: getattr(faces, name)[rows] for name in names})


def _error(wanted: NDArray[np.floating], got: NDArray[np.floating]) -> float:
    eyes = np.linalg.norm(wanted[_RIGHT_EYE] - wanted[_LEFT_EYE])
    return float(np.linalg.norm(got - wanted, axis=1).mean() / max(float(eyes), 1e-6))
