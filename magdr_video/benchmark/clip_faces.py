"""One aligned face of each clip, for benchmarks that take images."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from magdr_video.benchmark.datasets import Item
from magdr_video.errors import InputError
from magdr_video.faces.alignment import align
from magdr_video.faces.appearance import largest
from magdr_video.faces.detector import FaceDetector
from magdr_video.types import Faces
from magdr_video.video.sampler import sample_at_random

TRIED = 4
"""Frames of a clip that are looked at, drawn at random; the first that shows a face is taken."""
ALIGNMENT = "ffhq"


@lru_cache(maxsize=1)
def _finder() -> FaceDetector:
    return FaceDetector()


def face_of_clip(path: Path, size: int, *, seed: int = 0) -> Tensor:
    """The largest face of a frame, (3, size, size) float32 in [0, 1].

    Raises:
        InputError: the clip cannot be read, or no frame that was looked at shows a face.
    """
    for batch in sample_at_random(path, TRIED, seed):
        (found,) = _finder()(batch, [0])
        if len(found):
            which = largest(found)
            one = slice(which, which + 1)
            face = Faces(
                frame=np.zeros(1, np.int64),
                boxes=found.boxes[one],
                landmarks=found.landmarks[one],
                scores=found.scores[one],
                track=np.zeros(1, np.int64),
                filled=np.zeros(1, np.bool_),
            )
            return align(batch, face, size, ALIGNMENT).data[0]
    raise InputError(f"none of {TRIED} frames of {path} shows a face", hint="take the clip out")


def faces_of_clips(items: Sequence[Item], size: int) -> Tensor:
    """A face of each item's clip, (F, 3, size, size); (0, 3, size, size) of none."""
    if not items:
        return torch.zeros(0, 3, size, size)
    return torch.stack([face_of_clip(item.path, size) for item in items])
