"""Resampling between planes and crops.

Convention: coordinates are continuous, (x, y), the centre of pixel (i, j) at (j + 0.5, i + 0.5);
an affine maps destination to source; align_corners=False.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_MAX_TAPS = 4
"""Samples a side that are averaged for one destination pixel; beyond, the source is reduced."""


@dataclass(frozen=True)
class Windows:
    """F windows of equal size in the planes of a batch."""

    x: NDArray[np.int64]
    """(F,) left edge in plane pixels."""
    y: NDArray[np.int64]
    """(F,) top edge in plane pixels."""
    height: int
    width: int


def inverse(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, 2, 3) inverses of (F, 2, 3) affine matrices."""
    return np.asarray(np.linalg.inv(_square(affine))[:, :2], np.float64)


def compose(outer: NDArray[np.float64], inner: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, 2, 3): first `inner`, then `outer`; either may be a single (2, 3)."""
    return (_square(outer) @ _square(inner))[..., :2, :]


def _square(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    last = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (*affine.shape[:-2], 1, 3))
    return np.concatenate([affine, last], axis=-2)


def plane_affine(subsampling: tuple[int, int]) -> NDArray[np.float64]:
    """(2, 3): luma coordinates to those of a plane reduced by log2 (vertical, horizontal).

    Siting of MPEG-2 and later (ITU-T H.273, chroma_sample_loc_type 0): a chroma sample lies at
    the centre of the left luma column that it covers, and between the rows.
    """
    vertical, horizontal = (0.5**step for step in subsampling)
    return np.array([[horizontal, 0.0, 0.5 - 0.5 * horizontal], [0.0, vertical, 0.0]])


def rates(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F,) source pixels per destination pixel, in the direction where they are most."""
    return np.asarray(np.linalg.svd(affine[:, :, :2], compute_uv=False)[:, 0], np.float64)


def windows_of(
    crop_to_plane: NDArray[np.float64], size: int, height: int, width: int, margin: int = 2
) -> Windows:
    """Windows that hold the crops' squares as far as they lie in the plane.

    All have the size of the largest, so that they stack; near an edge they are moved inwards.

    Args:
        crop_to_plane: (F, 2, 3).
        size: side S of the crops.
        height, width: of the plane.
        margin: pixels added on every side, for the taps of the interpolation.
    """
    corners = np.array([[0, size, 0, size], [0, 0, size, size], [1, 1, 1, 1]], np.float64)
    places = crop_to_plane @ corners
    limits = np.array([width, height])
    low = np.clip(np.floor(places.min(-1)) - margin, 0, limits - 1).astype(np.int64)
    high = np.clip(np.ceil(places.max(-1)) + margin, low + 1, limits).astype(np.int64)
    extent = (high - low).max(0)
    start = np.minimum(low, limits - extent)
    return Windows(start[:, 0], start[:, 1], int(extent[1]), int(extent[0]))


def shift(windows: Windows) -> NDArray[np.float64]:
    """(F, 2, 3): window coordinates to plane coordinates."""
    affine = np.zeros((len(windows.x), 2, 3))
    affine[:, 0, 0] = affine[:, 1, 1] = 1.0
    affine[:, 0, 2], affine[:, 1, 2] = windows.x, windows.y
    return affine


def resample(
    source: Tensor,
    affine: NDArray[np.float64],
    height: int,
    width: int,
    *,
    outside: str = "border",
    fading: int = 0,
) -> Tensor:
    """Sample images on affine grids, bilinearly, averaging where the source is finer.

    Faces are grouped by their own rate, never by that of their neighbours: the result for a
    face does not depend on the batch it comes in.

    Args:
        source: (F, C, h, w) floating point.
        affine: (F, 2, 3) destination to source.
        height, width: of the destination.
        outside: 'border' repeats the edge, 'zeros' is 0 beyond it.
        fading: so many of the last channels are 0 beyond the edge, whatever the others are.

    Returns:
        (F, C, height, width).
    """
    rate = rates(affine)
    reduce = np.maximum(np.ceil(rate / _MAX_TAPS - 1e-6), 1).astype(int)
    taps = np.maximum(np.ceil(rate / reduce - 0.25), 1).astype(int)
    kinds = sorted(set(zip(reduce.tolist(), taps.tolist(), strict=True)))
    if len(kinds) == 1:
        return _resample_alike(source, affine, height, width, *kinds[0], outside, fading)
    out = source.new_empty((source.shape[0], source.shape[1], height, width))
    for by, count in kinds:
        group = np.flatnonzero((reduce == by) & (taps == count))
        rows = torch.from_numpy(group).to(source.device)
        out[rows] = _resample_alike(
            source[rows], affine[group], height, width, by, count, outside, fading
        )
    return out


def _resample_alike(
    source: Tensor,
    affine: NDArray[np.float64],
    height: int,
    width: int,
    by: int,
    taps: int,
    outside: str,
    fading: int,
) -> Tensor:
    """Images that are reduced `by` the same factor, and then sampled `taps` times a side."""
    if by > 1:
        source = F.avg_pool2d(source, by, ceil_mode=True, count_include_pad=False)
    affine = affine / by
    if fading:
        # One ring more: the edge again where it is to be repeated, zeros where it is to fade.
        repeated = F.pad(source[:, :-fading], [1] * 4, mode="replicate")
        source = torch.cat([repeated, F.pad(source[:, -fading:], [1] * 4)], dim=1)
        affine = affine + np.array([0.0, 0.0, 1.0])
    grid = _grid(affine, height, width, taps, source)
    fine = F.grid_sample(source, grid, "bilinear", outside, align_corners=False)
    # A pool of one sample changes nothing and took half the time of a paste.
    return fine if taps == 1 else F.avg_pool2d(fine, taps)


def _grid(
    affine: NDArray[np.float64], height: int, width: int, taps: int, source: Tensor
) -> Tensor:
    """(F, taps * height, taps * width, 2) in the [-1, 1] of `grid_sample`."""
    h, w = source.shape[-2:]
    scale = np.array([[2.0 / w], [2.0 / h]])
    normal = affine * scale
    normal[:, :, 2] -= 1.0
    matrix = torch.from_numpy(normal).to(source.device, source.dtype)
    ys = (torch.arange(taps * height, device=source.device, dtype=source.dtype) + 0.5) / taps
    xs = (torch.arange(taps * width, device=source.device, dtype=source.dtype) + 0.5) / taps
    down = matrix[:, None, :, 1] * ys[None, :, None] + matrix[:, None, :, 2]
    return down[:, :, None] + matrix[:, None, None, :, 0] * xs[None, None, :, None]
