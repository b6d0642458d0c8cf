"""Motion-compensated averaging over neighbouring crops of a track.

Perturbations made frame by frame are nearly uncorrelated between neighbours, so an average along
the motion removes them and keeps the picture (METHOD 12); no image method can do that. Aligned
crops move little, dense optical flow takes out the rest, and pixels that do not match after the
warp (occlusions, open mouths) are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MISMATCH = 0.06
"""Largest difference of a lightly blurred channel at which a neighbour's pixel counts for 1/e."""

Image = NDArray[Any]


def _grey(crop: Tensor) -> Image:
    level = (crop.mean(dim=0).clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return np.asarray(cv2.GaussianBlur(level, (0, 0), 1.5))


def _flow(target: Image, source: Image) -> Image:
    """Backward flow (S, S, 2): target(x) = source(x + flow(x)), in crop pixels (Farneback)."""
    start: Any = None
    return np.asarray(cv2.calcOpticalFlowFarneback(target, source, start, 0.5, 3, 15, 3, 5, 1.1, 0))


def _soft(picture: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), 1.5))


def _warp(image: Image, flow: Image) -> Image:
    rows, columns = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def average_along_motion(crops: Sequence[Tensor], centre: int) -> Tensor:
    """Average neighbours into the crop at `centre`.

    Args:
        crops: consecutive aligned crops (3, S, S) of one track and one shot, in [0, 1].
        centre: index of the crop to restore.

    Returns:
        The averaged crop (3, S, S), on the crop's device.
    """
    target = crops[centre]
    grey = _grey(target)
    own = target.detach().cpu().permute(1, 2, 0).numpy().astype(np.float32)
    soft, total = _soft(own), own
    weights = np.ones((*grey.shape, 1), np.float32)
    for index, crop in enumerate(crops):
        if index == centre:
            continue
        flow = _flow(grey, _grey(crop))
        picture = crop.detach().cpu().permute(1, 2, 0).numpy().astype(np.float32)
        # In colour: what covers a face may be just as bright.
        apart = np.abs(_warp(_soft(picture), flow) - soft).max(axis=2, keepdims=True)
        weight = np.exp(-((apart / MISMATCH) ** 2)).astype(np.float32)
        total = total + weight * _warp(picture, flow)
        weights = weights + weight
    mean = np.ascontiguousarray((total / weights).transpose(2, 0, 1))
    return torch.from_numpy(mean).to(target)
