"""How alike two faces look: histograms of gradients on aligned luma, without any network.

No network for face recognition may be shipped here, so this is the descriptor of the years before
them (Dalal and Triggs, CVPR 2005), on a face turned upright by its five points. It tells people
apart in similar light and pose, and tires where pose or light differ much.

`tests/faces/test_appearance.py` counts how well it parts synthetic identities. In films things
cross a face and heads turn: one person may lie as far from itself as from others.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from magdr_video.faces.alignment import align
from magdr_video.faces.detections import Detections
from magdr_video.types import Faces, FrameBatch

Look = NDArray[np.float32]
"""(D,) of unit length."""

Describe = Callable[[FrameBatch, int, NDArray[np.floating]], Look]
"""(batch, index of the frame in it, landmarks (5, 2) in frame pixels) -> how the face looks."""

SIDE, CELL, BINS = 96, 12, 9
CROP = 128
"""Side of the aligned crop, of which the part below is used: brows to chin, little background."""
_PART = (slice(10, 126), slice(20, 108))
_CLIP = 0.2
_FLOOR = 1.0
"""Added to a block's energy, in code values squared: flat skin gets no loud histogram of noise."""


def describer(device: torch.device | str, aspect: float) -> Describe:
    """A function that describes the faces of one clip.

    Args:
        device: where faces are aligned.
        aspect: width of a pixel over its height.
    """

    def describe(batch: FrameBatch, index: int, landmarks: NDArray[np.floating]) -> Look:
        points = np.asarray(landmarks, np.float32)[None]
        box = np.concatenate([points.min(1), points.max(1)], 1)
        one = Faces(
            frame=np.array([index], np.int64),
            boxes=box,
            landmarks=points,
            scores=np.ones(1, np.float32),
            track=np.zeros(1, np.int64),
            filled=np.zeros(1, np.bool_),
        )
        crop = align(batch, one, CROP, "celeba", device, aspect=aspect).data[0]
        return look_of(crop.cpu().numpy())

    return describe


def look_of(crop: NDArray[np.floating]) -> Look:
    """How a face looks.

    Args:
        crop: (3, 128, 128) RGB in [0, 1], aligned as 'celeba'.

    Returns:
        (D,) of unit length: oriented gradients in cells, normalised in blocks of two by two.
    """
    grey = (
        np.array([0.299, 0.587, 0.114], np.float32)
        @ np.asarray(crop, np.float32).reshape(3, -1)
        * 255
    )
    part = grey.reshape(CROP, CROP)[_PART]
    part = cv2.GaussianBlur(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_AREA), (0, 0), 1)
    cells = _cells(part)
    count = SIDE // CELL
    blocks = [
        _normalised(cells[:, y : y + 2, x : x + 2].ravel())
        for y in range(count - 1)
        for x in range(count - 1)
    ]
    whole = np.concatenate(blocks)
    return np.asarray(whole / max(float(np.linalg.norm(whole)), 1e-6), np.float32)


def distance(a: Look, b: Look) -> float:
    """One minus the cosine: 0 for the same picture, at most 1."""
    return float(1 - a @ b)


def _cells(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(BINS, n, n) energy by direction, without sign, each gradient shared by two bins."""
    right = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=1)
    place = np.mod(np.arctan2(down, right), np.pi) / np.pi * BINS
    size = np.hypot(right, down)
    count = SIDE // CELL
    out = np.zeros((BINS, count, count), np.float32)
    for number in range(BINS):
        away = np.abs(place - number)
        share = np.maximum(0, 1 - np.minimum(away, BINS - away))
        energy = (size * share).astype(np.float32)
        out[number] = cv2.resize(energy, (count, count), interpolation=cv2.INTER_AREA)
    return out


def _normalised(block: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit length, clipped so that no edge drowns the rest, and unit length again."""
    once = np.minimum(block / np.sqrt((block**2).sum() + _FLOOR), _CLIP)
    return np.asarray(once / np.sqrt((once**2).sum() + 1e-6), np.float32)


def largest(found: Detections) -> int:
    """The detection with the largest box; there must be one."""
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    return int(np.argmax(sides.prod(axis=1)))
