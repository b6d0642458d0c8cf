"""Faces as a clip's frames hold them: at another scale, in 4:2:0, in 8 bits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from magdr_video.faces.carried import Carried
from magdr_video.types import FaceCrops, Faces
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import batch_to_rgb, rgb_to_batch

RATES = (0.7, 3.0)
"""Range of frame pixels for one of the crop: a face of 90 to 380 px."""


def drawn_rate(rng: np.random.Generator) -> float:
    """One of `RATES`, doublings equally likely."""
    return float(np.exp(rng.uniform(*np.log(RATES))))


def framed(faces: Tensor, rate: float, offset: tuple[int, int] = (0, 0)) -> Tensor:
    """Each face as a frame holds it and as it is cut from there: other pixels, 4:2:0, 8 bits.

    Args:
        faces: (F, 3, S, S) in [0, 1].
        rate: pixels of the frame for one of the crop.
        offset: frame pixels that the crop begins below and right of the frame's corner, so that
            its pixels meet the chroma samples in different ways.
    """
    size = faces.shape[-1]
    side = max(2, round(size * rate))
    top, left = offset
    margins = (left, (side + left) % 2 + 2, top, (side + top) % 2 + 2)
    frame = F.pad(resized(faces, side), margins, mode="replicate")
    height, width = frame.shape[-2:]
    rgb = (frame.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    batch = rgb_to_batch(rgb, ClipInfo.synthetic(width, height, 25))
    back = torch.from_numpy(batch_to_rgb(batch, height, width)).to(faces.device)
    seen = back.permute(0, 3, 1, 2).float() / 255
    return resized(seen[..., top : top + side, left : left + side], size)


def resized(faces: Tensor, side: int) -> Tensor:
    """Faces (F, 3, S, S) at another side, without aliasing."""
    return F.interpolate(faces, (side, side), mode="bilinear", antialias=True)


def drawn_way(faces: Tensor, rng: np.random.Generator) -> Carried:
    """The way of crops (F, 3, S, S) into frames where they lie at some scale, and out again."""
    rate = drawn_rate(rng)
    return way_into_frames(faces, rate, rng.uniform(1, 3, 2))


def way_into_frames(
    faces: Tensor, rate: float, corner: Sequence[float] | NDArray[np.float64]
) -> Carried:
    """The way of crops (F, 3, S, S) into frames, and out again.

    Args:
        rate: pixels of the frame for one of the crop.
        corner: of the crop's first pixel in the frame, x and y, in frame pixels.
    """
    count, size = len(faces), faces.shape[-1]
    side = (round(size * rate) + 5) // 2 * 2
    blank = np.zeros((count, side, side, 3), np.uint8)
    affine = np.array([[1 / rate, 0, -corner[0] / rate], [0, 1 / rate, -corner[1] / rate]])
    placed = Faces(
        frame=np.arange(count),
        boxes=np.zeros((count, 4), np.float32),
        landmarks=np.zeros((count, 5, 2), np.float32),
        scores=np.ones(count, np.float32),
        track=np.arange(count),
        filled=np.zeros(count, np.bool_),
    )
    crops = FaceCrops(faces, np.tile(affine, (count, 1, 1)), placed)
    batch = rgb_to_batch(blank, ClipInfo.synthetic(side, side, 25))
    return Carried(batch, crops, faces.new_ones(count, 1, size, size))
