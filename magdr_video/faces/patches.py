"""What faces make of their windows in the planes of frames, before any of it is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magdr_video.faces.alignment import cut_windows, plane_shift
from magdr_video.faces.warping import (
    Windows,
    compose,
    inverse,
    plane_affine,
    resample,
    shift,
    windows_of,
)
from magdr_video.types import FaceCrops, FrameBatch
from magdr_video.video.colour import code_scale

_PIXELS_AT_ONCE = 1 << 19
"""Window pixels blended in one go; bounds memory whatever the number of faces. On a processor more
are slower: faces of 560 pixels took 15.1 ms each at four times as many, 13.6 ms so."""

_DEVICE_PIXELS_AT_ONCE = 1 << 24
"""The same on a device that is not the processor; about 60 bytes each."""

_APART = 4
"""Pixels between windows from which neither face can touch the other, chroma included."""


def _windows(batch: FrameBatch, which: int, crops: FaceCrops) -> Windows:
    crop_to_plane = compose(plane_affine(plane_shift(batch, which)), inverse(crops.affine))
    height, width = batch.planes[which].shape[1:]
    return windows_of(crop_to_plane, crops.size, height, width, margin=1)


def faces_alone(batch: FrameBatch, crops: FaceCrops) -> NDArray[np.bool_]:
    """(F,) True where no other face's window is near in the same frame."""
    windows, frame = _windows(batch, 0, crops), crops.faces.frame
    beside = np.abs(windows.x[:, None] - windows.x) < windows.width + _APART
    above = np.abs(windows.y[:, None] - windows.y) < windows.height + _APART
    near = beside & above & (frame[:, None] == frame)
    return np.asarray(near.sum(axis=1) == 1)


def bytes_held(batch: FrameBatch, crops: FaceCrops, alone: NDArray[np.bool_]) -> int:
    """Of the windows of all planes together, at most."""
    each = [_windows(batch, which, crops) for which in range(len(batch.planes))]
    pixels = sum(windows.height * windows.width for windows in each)
    finished = int(alone.sum()) * batch.planes[0].itemsize
    return pixels * (finished + int((~alone).sum()) * 2 * np.dtype(np.float32).itemsize)


def _affordable(
    batch: FrameBatch, which: int, crops: FaceCrops, rows: NDArray[np.int64]
) -> Iterator[NDArray[np.int64]]:
    """Runs of faces whose windows together stay below the bound."""
    windows = _windows(batch, which, crops)
    on_processor = crops.data.device.type == "cpu"
    pixels = _PIXELS_AT_ONCE if on_processor else _DEVICE_PIXELS_AT_ONCE
    step = max(1, pixels // (windows.height * windows.width))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


class Patch(Protocol):
    """What a run of faces makes of their windows in one plane."""

    def blend_into(self, plane: NDArray[Any]) -> None:
        """Write it into the plane's frames (N, h, w)."""


@dataclass(frozen=True)
class _Goals:
    """Where a run of faces wants their windows to go; on the device."""

    frame: NDArray[np.int64]
    windows: Windows
    here: Tensor
    """(F, h, w) code values as they are."""
    goal: Tensor
    """(F, h, w) code values."""
    share: Tensor
    """(F, h, w) in [0, 1]: how far."""


@dataclass(frozen=True)
class _FinishedPatch:
    """Windows that no other face touches: their pixels are known."""

    frame: NDArray[np.int64]
    windows: Windows
    pixels: NDArray[Any]
    """(F, h, w), of the plane's type."""

    def blend_into(self, plane: NDArray[Any]) -> None:
        """Write the pixels."""
        for k, f in enumerate(self.frame):
            plane[(f, *_place(self.windows, k))] = self.pixels[k]


@dataclass(frozen=True)
class _OpenPatch:
    """Windows that overlap with others: what comes out depends on what is there by then."""

    frame: NDArray[np.int64]
    windows: Windows
    goal: NDArray[np.float32]
    """(F, h, w) code values."""
    share: NDArray[np.float32]
    """(F, h, w) in [0, 1]."""
    limits: tuple[float, float]

    def blend_into(self, plane: NDArray[Any]) -> None:
        """Move each window towards its goal; one face after the other, so that the later wins."""
        for k, f in enumerate(self.frame):
            now, share = plane[(f, *_place(self.windows, k))], self.share[k]
            value = now.astype(np.float32)
            low, high = np.minimum(value, self.limits[0]), np.maximum(value, self.limits[1])
            blended = np.rint(np.clip(value + share * (self.goal[k] - value), low, high))
            now[...] = np.where(share > 0, blended, value).astype(now.dtype)


def _place(windows: Windows, k: int) -> tuple[slice, slice]:
    """Rows and columns of one window."""
    y, x = int(windows.y[k]), int(windows.x[k])
    return slice(y, y + windows.height), slice(x, x + windows.width)


def _goals(
    batch: FrameBatch, which: int, crops: FaceCrops, layers: Tensor, group: NDArray[np.int64]
) -> _Goals:
    """What a run of faces wants of one plane.

    Args:
        layers: (F, 4, S, S): what changed, what was seen, how much detail must go, the weight.
    """
    chroma = plane_affine(plane_shift(batch, which))
    crop_to_plane = compose(chroma, inverse(crops.affine[group]))
    source, frame = batch.planes[which], crops.faces.frame[group]
    windows = windows_of(crop_to_plane, crops.size, source.shape[1], source.shape[2], margin=1)
    to_crop = compose(inverse(crop_to_plane), shift(windows))
    index = torch.from_numpy(group).to(layers.device)
    warped = resample(layers[index], to_crop, windows.height, windows.width, fading=1)
    change, seen, loss, share = warped.unbind(1)
    here = cut_windows(source, frame, windows, layers.device)[:, 0]
    return _Goals(frame, windows, here, here + change - loss * (here - seen), share)


def _finished(held: _Goals, batch: FrameBatch, which: int) -> _FinishedPatch:
    """Blended on the device: only the pixels themselves go back to the host."""
    low, high = _limits(batch, which)
    here, share = held.here, held.share
    moved = here + share * (held.goal - here)
    moved = torch.minimum(torch.maximum(moved, here.clamp(max=low)), here.clamp(min=high))
    pixels = torch.where(share > 0, moved.round(), here)
    plane = batch.planes[which].dtype
    stored = pixels.to(torch.uint8 if plane == np.uint8 else torch.int16).cpu().numpy()
    return _FinishedPatch(held.frame, held.windows, stored.astype(plane, copy=False))


def _open(held: _Goals, batch: FrameBatch, which: int) -> _OpenPatch:
    return _OpenPatch(
        held.frame,
        held.windows,
        held.goal.cpu().numpy(),
        held.share.cpu().numpy(),
        _limits(batch, which),
    )


def _limits(batch: FrameBatch, which: int) -> tuple[float, float]:
    """Legal code values of a plane."""
    offset, luma, centre, chroma = code_scale(batch.colour, batch.bits)
    if batch.colour.full_range:
        return 0.0, float((1 << batch.bits) - 1)
    if which == 0:
        return offset, offset + luma
    return centre - chroma / 2, centre + chroma / 2


def patches_of(
    batch: FrameBatch, which: int, crops: FaceCrops, layers: Tensor, alone: NDArray[np.bool_]
) -> Iterator[Patch]:
    """What all faces make of one plane, in runs that memory affords; to be written in order.

    Args:
        which: the plane.
        layers: (F, 4, S, S): what changed, what was seen, how much detail must go, the weight.
        alone: from `faces_alone`.
    """
    for group in _affordable(batch, which, crops, np.flatnonzero(alone)):
        yield _finished(_goals(batch, which, crops, layers, group), batch, which)
    for group in _affordable(batch, which, crops, np.flatnonzero(~alone)):
        yield _open(_goals(batch, which, crops, layers, group), batch, which)
