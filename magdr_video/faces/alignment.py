"""Frame to crop: the decoded planes are warped, and only crops become RGB. The way back is in
`magdr_video.faces.pasting`."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magdr_video.faces.templates import box_affine, similarity, template
from magdr_video.faces.warping import (
    Windows,
    compose,
    inverse,
    plane_affine,
    resample,
    shift,
    windows_of,
)
from magdr_video.types import FaceCrops, Faces, FrameBatch
from magdr_video.video.colour import to_rgb


def align(
    batch: FrameBatch,
    faces: Faces,
    size: int,
    alignment: str = "ffhq",
    device: torch.device | str = "cpu",
    *,
    aspect: float = 1.0,
) -> FaceCrops:
    """Cut aligned crops out of the frames.

    Luma and chroma are sampled from their own planes, each at its own resolution and siting
    (`plane_affine`), bilinearly, with averaging where the face is larger than the crop. Beyond
    the frame its edge is repeated.

    Args:
        batch: N decoded frames.
        faces: F faces in them; F = 0 gives an empty value.
        size: side S of the crops in pixels.
        alignment: 'ffhq', 'celeba', 'openface' (five points to a template, by a similarity), or
            'box' (an upright square around the box).
        device: where crops are made.
        aspect: width of a pixel over its height; the crop shows the face as a viewer sees it.

    Returns:
        Crops (F, 3, S, S) in [0, 1]; `affine` maps frame pixels to crop pixels.

    Raises:
        SettingsError: unknown alignment.
    """
    affine = crop_affine(faces, size, alignment, aspect=aspect)
    return FaceCrops(cut(batch, faces.frame, affine, size, device), affine, faces)


def cut(
    batch: FrameBatch,
    frame: NDArray[np.int64],
    affine: NDArray[np.float64],
    size: int,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Crops (F, 3, S, S) in [0, 1] of frames `frame` (F,), on the grids of `affine` (F, 2, 3).

    Args:
        affine: frame pixels to crop pixels.
    """
    if len(frame) == 0:
        return torch.zeros(0, 3, size, size, device=device)
    planes = [
        _warp_plane(batch, which, frame, affine, size, torch.device(device))
        for which in range(len(batch.planes))
    ]
    if len(planes) == 1:
        planes += [torch.full_like(planes[0], 1 << (batch.bits - 1))] * 2
    return to_rgb(planes[0], planes[1], planes[2], batch.colour, batch.bits)


def crop_affine(
    faces: Faces, size: int, alignment: str, *, aspect: float = 1.0
) -> NDArray[np.float64]:
    """(F, 2, 3) frame pixels to crop pixels; arguments as in `align`."""
    stretch = np.array([aspect, 1.0])
    if alignment == "box":
        shown = box_affine(faces.boxes * np.tile(stretch, 2), size)
    else:
        shown = similarity(faces.landmarks * stretch, template(alignment, size))
    return np.asarray(shown * np.array([aspect, 1.0, 1.0]), np.float64)


def plane_shift(batch: FrameBatch, which: int) -> tuple[int, int]:
    """log2 of the reduction of one plane, (vertical, horizontal)."""
    return (0, 0) if which == 0 else batch.subsampling


def cut_windows(
    plane: NDArray[np.generic], frame: NDArray[np.int64], windows: Windows, device: torch.device
) -> Tensor:
    """(F, 1, h, w) float32 code values of the windows; sent to the device as they are stored."""
    # torch before 2.3 knows no uint16; 12 bits fit in int16
    stored = torch.uint8 if plane.dtype == np.uint8 else torch.int16
    size = (len(frame), windows.height, windows.width)
    held = torch.empty(size, dtype=stored, pin_memory=device.type == "cuda")
    for cut, f, x, y in zip(held.numpy(), frame, windows.x, windows.y, strict=True):
        cut[...] = plane[f, y : y + windows.height, x : x + windows.width]
    return held.to(device, non_blocking=True).float()[:, None]


def _warp_plane(
    batch: FrameBatch,
    which: int,
    frame: NDArray[np.int64],
    affine: NDArray[np.float64],
    size: int,
    device: torch.device,
) -> Tensor:
    """(F, S, S) code values of one plane, on the grid of the crops."""
    plane = batch.planes[which]
    crop_to_plane = compose(plane_affine(plane_shift(batch, which)), inverse(affine))
    windows = windows_of(crop_to_plane, size, plane.shape[1], plane.shape[2])
    to_window = compose(inverse(shift(windows)), crop_to_plane)
    return resample(cut_windows(plane, frame, windows, device), to_window, size, size)[:, 0]
