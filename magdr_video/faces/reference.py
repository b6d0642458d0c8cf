"""The person of a picture: which tracks of a clip show them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from magdr_video.errors import InputError
from magdr_video.faces.appearance import Look, describer, distance, largest
from magdr_video.faces.detections import DetectFaces
from magdr_video.video.reader import ClipReader

FRAMES = 50
"""Frames of a clip that are looked through for a face."""


@dataclass(frozen=True)
class Reference:
    """A face to look for."""

    path: str
    """Where it was read."""
    look: Look
    limit: float
    """Largest distance of a face that is taken for the same person."""

    def distance_to(self, look: Look) -> float:
        """How far a face is from this person's."""
        return distance(self.look, look)


def read_reference(
    path: Path, detect: DetectFaces, device: torch.device | str, *, limit: float
) -> Reference:
    """Read the largest face of a picture, or of the first frame of a clip that shows one.

    Args:
        path: a picture that FFmpeg reads (JPEG, PNG, ...), or a clip.
        detect: the face detector.
        device: where the face is aligned.
        limit: see `Reference`.

    Raises:
        InputError: unreadable, or no face in it.
    """
    with ClipReader(path, batch=1) as reader:
        aspect = float(reader.info.sample_aspect)
        for batch in islice(reader, FRAMES):
            found = detect(batch, [0], aspect)[0]
            if len(found):
                marks = found.landmarks[largest(found)]
                return Reference(str(path), describer(device, aspect)(batch, 0, marks), limit)
    raise InputError(
        f"--face {path}: no face in it is found",
        hint="take a picture that shows the face from the front, at least 60 px wide",
    )
