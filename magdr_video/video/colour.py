"""YCbCr planes to RGB and back, by the clip's own matrix and range.

Matrices: Kr and Kb of Rec. ITU-R BT.601-7, BT.709-6 and BT.2020-2 (non-constant luminance).
Ranges: limited is 16..235 and 16..240 of 255, scaled by 2^(bits - 8); full is 0..2^bits - 1.
"""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from magdr_video.types import Colour, FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.frames import PLANAR

ArrayT = TypeVar("ArrayT", NDArray[Any], torch.Tensor)

LUMA_WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
"""(Kr, Kb) of each matrix."""


def code_scale(colour: Colour, bits: int) -> tuple[float, float, float, float]:
    """(luma offset, luma span, chroma centre, chroma span) in code values of `bits` bits."""
    unit = float(1 << (bits - 8))
    if colour.full_range:
        top = float((1 << bits) - 1)
        return 0.0, top, 128 * unit, top
    return 16 * unit, 219 * unit, 128 * unit, 224 * unit


def to_rgb(
    y: ArrayT, u: ArrayT, v: ArrayT, colour: Colour, bits: int, *, clip: bool = True
) -> ArrayT:
    """Code values at equal resolution to RGB.

    Args:
        y, u, v: (..., H, W) code values of any numeric type; torch or numpy, all three alike.
        colour: matrix and range; 'rgb' is not a matrix that batches have.
        bits: significant bits of a sample.
        clip: False keeps values outside [0, 1], which makes `from_rgb` the exact inverse.

    Returns:
        (..., 3, H, W) float32 (float64 for float64 input) RGB, in [0, 1] if `clip`.
    """
    kr, kb = _weights(colour)
    offset, luma, centre, chroma = code_scale(colour, bits)
    light = (_floating(y) - offset) / luma
    blue = (_floating(u) - centre) / chroma
    red = (_floating(v) - centre) / chroma
    r = light + 2 * (1 - kr) * red
    b = light + 2 * (1 - kb) * blue
    g = (light - kr * r - kb * b) / (1 - kr - kb)
    stacked: ArrayT = _stack(r, g, b, clip)
    return stacked


def from_rgb(rgb: ArrayT, colour: Colour, bits: int) -> tuple[ArrayT, ArrayT, ArrayT]:
    """RGB to code values, neither rounded nor clipped: the exact inverse of `to_rgb`.

    Args:
        rgb: (..., 3, H, W) floating point, nominally in [0, 1].
        colour: matrix and range of the result.
        bits: significant bits of a sample of the result.

    Returns:
        y, u, v, each (..., H, W) in code values.
    """
    kr, kb = _weights(colour)
    offset, luma, centre, chroma = code_scale(colour, bits)
    r, g, b = rgb[..., 0, :, :], rgb[..., 1, :, :], rgb[..., 2, :, :]
    light = kr * r + (1 - kr - kb) * g + kb * b
    u = (b - light) / (2 * (1 - kb)) * chroma + centre
    v = (r - light) / (2 * (1 - kr)) * chroma + centre
    return light * luma + offset, u, v


def batch_to_rgb(batch: FrameBatch, height: int, width: int) -> NDArray[np.uint8]:
    """Frames scaled for detection or display.

    Planes are scaled before the conversion, by area average when they shrink; that is cheaper than
    the other order and the same for a linear matrix, but for clipping.

    Returns:
        (N, height, width, 3) uint8 RGB.
    """
    out = np.empty((len(batch), height, width, 3), np.uint8)
    for index in range(len(batch)):
        planes = [_scaled(plane[index], height, width) for plane in batch.planes]
        if len(planes) == 1:
            planes += [np.full_like(planes[0], 1 << (batch.bits - 1))] * 2
        rgb = to_rgb(planes[0], planes[1], planes[2], batch.colour, batch.bits)
        out[index] = np.moveaxis(np.rint(rgb * 255), 0, -1)
    return out


def rgb_to_batch(
    rgb: NDArray[np.uint8], like: FrameBatch | ClipInfo, *, first_index: int = 0
) -> FrameBatch:
    """Make frames from RGB, for clips that no camera took.

    Args:
        rgb: (N, H, W, 3) uint8.
        like: a batch of N frames gives times, format and colour; a `ClipInfo` gives format and
            colour, and frames follow each other at its average rate.
        first_index: index of the first frame where `like` is a `ClipInfo`.

    Raises:
        ValueError: `like` is a batch of another length, or rgb is not (N, H, W, 3).
    """
    if rgb.ndim != 4 or rgb.shape[-1] != 3:
        raise ValueError(f"rgb must be (N, H, W, 3), got {rgb.shape}")
    model = like if isinstance(like, FrameBatch) else _timing(like, len(rgb), first_index)
    if len(model) != len(rgb):
        raise ValueError(f"rgb holds {len(rgb)} frames, the batch it follows {len(model)}")
    planes = _planes_of(rgb, model.pixel_format, model.colour)
    return FrameBatch(
        planes=planes,
        pts=model.pts,
        durations=model.durations,
        time_base=model.time_base,
        pixel_format=model.pixel_format,
        bits=model.bits,
        colour=model.colour,
        first_index=model.first_index,
        cut=model.cut,
    )


def _planes_of(
    rgb: NDArray[np.uint8], pixel_format: str, colour: Colour
) -> tuple[NDArray[Any], ...]:
    kept = PLANAR[pixel_format]
    count, height, width = rgb.shape[:3]
    shapes = kept.shapes(height, width)
    planes = [np.empty((count, *shape), kept.dtype) for shape in shapes]
    top = (1 << kept.bits) - 1
    for index in range(count):
        values = from_rgb(np.moveaxis(rgb[index], -1, 0) / np.float32(255), colour, kept.bits)
        for plane, value, shape in zip(planes, values, shapes, strict=False):
            plane[index] = np.clip(np.rint(_scaled(value, *shape)), 0, top)
    return tuple(planes)


def _timing(info: ClipInfo, count: int, first_index: int) -> FrameBatch:
    """A batch of empty frames at the times that a constant rate gives."""
    ticks = 1 / (info.average_rate * info.time_base)
    index = range(first_index, first_index + count + 1)
    pts = np.array([round(i * ticks) for i in index], np.int64)
    cut = np.zeros(count, np.bool_)
    cut[:1] = first_index == 0
    return FrameBatch(
        planes=(np.zeros((count, 0, 0), np.uint8),),
        pts=pts[:-1],
        durations=np.diff(pts),
        time_base=info.time_base,
        pixel_format=info.pixel_format,
        bits=info.bits,
        colour=info.colour,
        first_index=first_index,
        cut=cut,
    )


def _scaled(plane: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    if plane.shape == (height, width):
        return plane
    shrinks = height <= plane.shape[0] and width <= plane.shape[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled: NDArray[Any] = cv2.resize(plane, (width, height), interpolation=mode)
    return scaled


def _weights(colour: Colour) -> tuple[float, float]:
    if colour.matrix not in LUMA_WEIGHTS:
        raise ValueError(f"matrix '{colour.matrix}' given, allowed: {', '.join(LUMA_WEIGHTS)}")
    return LUMA_WEIGHTS[colour.matrix]


def _floating(plane: Any) -> Any:
    """The plane as float32; float64 stays, for those who want the exact inverse."""
    if isinstance(plane, torch.Tensor):
        return plane if plane.is_floating_point() else plane.float()
    return plane if plane.dtype == np.float64 else plane.astype(np.float32)


def _stack(r: Any, g: Any, b: Any, clip: bool) -> Any:
    if isinstance(r, torch.Tensor):
        rgb = torch.stack((r, g, b), -3)
        return rgb.clamp(0, 1) if clip else rgb
    stacked = np.stack((r, g, b), -3)
    return np.clip(stacked, 0, 1) if clip else stacked
