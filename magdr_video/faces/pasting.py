"""Crop to frame: what a model changed is added to the decoded planes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

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
from magdr_video.types import FaceCrops, FrameBatch, Masks
from magdr_video.video.colour import code_scale, from_rgb

_TAU = 0.2
"""Change (of the [0, 1] range) at which g has fallen to 1/e. Chosen by eye on one frame of a
720-pixel clip with crops of 128 pixels, blond hair and a replaced face: at 0.1 the recoloured
hair loses its strands; without any fading old brows and eyelids shine through the new ones."""

_PIXELS_AT_ONCE = 1 << 19
"""Window pixels blended in one go; bounds memory whatever the number of faces. On a processor more
are slower: faces of 560 pixels took 15.1 ms each at four times as many, 13.6 ms so."""

_DEVICE_PIXELS_AT_ONCE = 1 << 24
"""The same on a device that is not the processor; about 60 bytes each."""


_BYTES_HELD = 1 << 27
"""Of windows that may wait to be written in place."""

_APART = 4
"""Pixels between windows from which neither face can touch the other, chroma included."""


def paste(
    batch: FrameBatch,
    crops: FaceCrops,
    translated: Tensor,
    weight: Tensor,
    *,
    in_place: bool = False,
) -> FrameBatch:
    """Blend translated crops into their frames.

    Not the translated crop but the change is pasted: d = translated - crop, turned to YCbCr and
    warped to each plane. With weight w, and x the decoded plane,

        out = x + w * (d - (1 - g) * (x - crop')),   g = exp(-(change / tau)^2)

    where crop' is the crop warped back. Where the model changes little (g = 1) the source keeps
    its own sharpness, which a crop of S pixels cannot hold; where it changes much (g = 0) the
    source's detail x - crop' goes, so that no ghost of an old edge stays, and what is left is
    the translated crop. A crop that is returned unchanged therefore gives bit-identical frames.

    Convention: `crops.affine` maps frame pixels to crop pixels, (x, y) order, pixel centres at
    integer + 0.5, align_corners=False. Where crops overlap, the later face wins. Pixels where
    the warped weight is 0 are bit-identical to the input. Results are rounded, and clipped to
    the legal range of the colour (or to the source's own value where that lies outside).

    Args:
        batch: frames the crops were cut from; not modified unless `in_place` says so.
        crops: F crops, as they went into the model.
        translated: (F, 3, S, S) in [0, 1], what came out.
        weight: (F, 1, S, S) in [0, 1], see `paste_weight`.
        in_place: write into the planes of `batch`, which saves a copy of them. All that is written
            is made first, so that a failure leaves the frames as they were; where that is too
            much at once, the planes are copied after all.

    Returns:
        A new batch, or `batch` itself when F = 0 or where it was written to.

    Raises:
        ValueError: shapes disagree.
    """
    count, size = len(crops), crops.size
    if tuple(translated.shape) != tuple(crops.data.shape):
        raise ValueError(f"translated is {tuple(translated.shape)}, crops {crops.data.shape}")
    if tuple(weight.shape) != (count, 1, size, size):
        raise ValueError(f"weight is {tuple(weight.shape)}, expected {(count, 1, size, size)}")
    if count == 0:
        return batch
    before = torch.stack(from_rgb(crops.data, batch.colour, batch.bits), 1)
    after = torch.stack(from_rgb(translated, batch.colour, batch.bits), 1)
    fade = _detail_loss(translated - crops.data)

    alone = _alone(batch, crops)

    def patches(which: int) -> Iterator[_Patch]:
        layers = torch.cat([(after - before)[:, which, None], before[:, which, None], fade], 1)
        layers = torch.cat([layers, weight.to(layers)], 1)
        for group in _affordable(batch, which, crops, np.flatnonzero(alone)):
            yield _finished(_goals(batch, which, crops, layers, group), batch, which)
        for group in _affordable(batch, which, crops, np.flatnonzero(~alone)):
            yield _open(_goals(batch, which, crops, layers, group), batch, which)

    is_writeable = all(plane.flags.writeable for plane in batch.planes)
    if in_place and is_writeable and _bytes(batch, crops, alone) <= _BYTES_HELD:
        held = [list(patches(which)) for which in range(len(batch.planes))]
        for which, plane in enumerate(batch.planes):
            for patch in held[which]:
                patch.blend_into(plane)
        return batch
    planes = []
    for which, plane in enumerate(batch.planes):
        painted = plane.copy()
        for patch in patches(which):
            patch.blend_into(painted)
        planes.append(painted)
    return replace(batch, planes=tuple(planes))


def paste_weight(
    crops: FaceCrops, masks: Masks | None = None, *, feather: float = 0.12, grow: float = 0.04
) -> Tensor:
    """How much of each crop pixel is pasted.

    1 inside, falling smoothly to 0 at the crop's border so that no seam shows. With masks, only
    what is not background (and not beyond it by more than `grow`) is pasted: hair, which edits
    recolour, is inside; what stands beside the head stays bit-identical.

    Args:
        crops: F crops of side S.
        masks: region masks of the crops with a region 'background'; None for the whole crop.
        feather: width of the fall at the border, of S.
        grow: how far the face region is widened before its edge is softened, of S.

    Returns:
        (F, 1, S, S) float32 in [0, 1], on the device of the crops.
    """
    size, device = crops.size, crops.data.device
    centre = (torch.arange(size, device=device) + 0.5) / size
    edge = torch.minimum(centre, 1 - centre) / max(feather, 1e-6)
    # the outermost pixels get exactly 0, so that the weight does not end in a step
    ramp = ((edge - edge[0]) / max(1 - float(edge[0]), 1e-6)).clamp(0, 1)
    ramp = ramp * ramp * (3 - 2 * ramp)
    frame = (ramp[:, None] * ramp[None, :]).expand(len(crops), 1, size, size)
    if masks is None or "background" not in masks.regions or len(crops) == 0:
        return frame.contiguous()
    background = masks.data[:, masks.regions.index("background"), None].to(device)
    face = _soften(_widen(1 - background, grow * size), grow * size)
    return frame * face


def _widen(mask: Tensor, pixels: float) -> Tensor:
    side = 2 * max(1, round(pixels)) + 1
    rows = F.max_pool2d(mask, (side, 1), stride=1, padding=(side // 2, 0))
    return F.max_pool2d(rows, (1, side), stride=1, padding=(0, side // 2))


def _soften(mask: Tensor, pixels: float) -> Tensor:
    """Two box blurs, together a triangle of +- `pixels`."""
    side = 2 * max(1, round(pixels / 2)) + 1
    for _ in range(2):
        padded = F.pad(mask, [side // 2] * 4, mode="replicate")
        rows = F.avg_pool2d(padded, (side, 1), stride=1)
        mask = F.avg_pool2d(rows, (1, side), stride=1)
    return mask.clamp(0, 1)


def _detail_loss(change: Tensor) -> Tensor:
    """(F, 1, S, S) 1 - g: how much of the source's own detail must go.

    The change is averaged over 5x5 pixels first: a recoloured edge crosses zero somewhere, and
    the old edge would stay visible just there. All zero where nothing changed.
    """
    power = (change**2).mean(1, keepdim=True)
    power = F.avg_pool2d(F.pad(power, [2] * 4, mode="replicate"), 5, stride=1)
    return 1 - torch.exp(-power / _TAU**2)


def _windows(batch: FrameBatch, which: int, crops: FaceCrops) -> Windows:
    crop_to_plane = compose(plane_affine(plane_shift(batch, which)), inverse(crops.affine))
    height, width = batch.planes[which].shape[1:]
    return windows_of(crop_to_plane, crops.size, height, width, margin=1)


def _alone(batch: FrameBatch, crops: FaceCrops) -> NDArray[np.bool_]:
    """(F,) True where no other face's window is near in the same frame."""
    windows, frame = _windows(batch, 0, crops), crops.faces.frame
    beside = np.abs(windows.x[:, None] - windows.x) < windows.width + _APART
    above = np.abs(windows.y[:, None] - windows.y) < windows.height + _APART
    near = beside & above & (frame[:, None] == frame)
    return np.asarray(near.sum(axis=1) == 1)


def _bytes(batch: FrameBatch, crops: FaceCrops, alone: NDArray[np.bool_]) -> int:
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


class _Patch(Protocol):
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
