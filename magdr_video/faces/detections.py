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
    offsets: NDArray[np.float64] | None = None
    """(D, 7, 2) what `following` must add to a look at one face, so that it agrees with full
    detections: for the box's corners and the landmarks, in sides of the box's square."""

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

    def rows(self, chosen: Sequence[int]) -> Detections:
        """Some of the faces, in the order given."""
        index = np.asarray(chosen, np.int64)
        return Detections(
            self.boxes[index],
            self.landmarks[index],
            self.scores[index],
            self.sure[index],
            None if self.offsets is None else self.offsets[index],
        )


def joined(parts: Sequence[Detections]) -> Detections:
    """Faces of one frame, one part after the other; all parts have offsets, or none counts."""
    known = [part.offsets for part in parts if part.offsets is not None]
    return Detections(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.landmarks for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.sure for part in parts]),
        np.concatenate(known) if len(known) == len(parts) else None,
    )


DetectFaces = Callable[[FrameBatch, Sequence[int], float], list[Detections]]
"""(batch, indices of frames in it, sample aspect) -> one `Detections` a frame, in frame pixels."""

RefineFaces = Callable[[FrameBatch, Sequence[int], NDArray[np.floating], float], Detections]
"""(batch, B indices of frames in it, B boxes in frame pixels, sample aspect) -> what the last net
sees in each box: B rows, in the order given, those without a face too (their score says so)."""
