"""What a face detector says of one frame, and how the tracker asks it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from magdr_video.types import FrameBatch


@dataclass(frozen=True)
class Detections:
    """D faces that were seen in one frame."""

    boxes: NDArray[np.float32]
    """(D, 4) x0 y0 x1 y1 in frame pixels."""
    landmarks: NDArray[np.float32]
    """(D, 5, 2) x y in frame pixels: left eye, right eye, nose, mouth left, mouth right."""
    scores: NDArray[np.float32]
    """(D,) confidence in [0, 1]."""
    sure: NDArray[np.bool_]
    """(D,) True where the face may begin a track; the others may only continue one."""

    def __post_init__(self) -> None:
        count = len(self.scores)
        shapes = {"boxes": (count, 4), "landmarks": (count, 5, 2), "sure": (count,)}
        for name, want in shapes.items():
            got = getattr(self, name).shape
            if got != want:
                raise ValueError(f"{name} has shape {got}, expected {want}")

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def none() -> Detections:
        """No face."""
        return Detections(
            boxes=np.zeros((0, 4), np.float32),
            landmarks=np.zeros((0, 5, 2), np.float32),
            scores=np.zeros(0, np.float32),
            sure=np.zeros(0, np.bool_),
        )


DetectFaces = Callable[[FrameBatch, Sequence[int], float], list[Detections]]
"""(batch, indices of frames in it, sample aspect) -> one `Detections` a frame, in frame pixels."""
