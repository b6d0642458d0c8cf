"""Crop to frame: what a model changed is added to the decoded planes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from magdr_video.faces.patches import Patch, bytes_held, faces_alone, patches_of
from magdr_video.types import FaceCrops, FrameBatch, Masks
from magdr_video.video.colour import from_rgb

_TAU = 0.2
"""Change (of the [0, 1] range) at which g has fallen to 1/e. Chosen by eye on one frame of a
720-pixel clip with crops of 128 pixels, blond hair and a replaced face: at 0.1 the recoloured
hair loses its strands; without any fading old brows and eyelids shine through the new ones."""


_BYTES_HELD = 1 << 27
"""Of windows that may wait to be written in place."""


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

    alone = faces_alone(batch, crops)

    def patches(which: int) -> Iterator[Patch]:
        layers = torch.cat([(after - before)[:, which, None], before[:, which, None], fade], 1)
        return patches_of(batch, which, crops, torch.cat([layers, weight.to(layers)], 1), alone)

    is_writeable = all(plane.flags.writeable for plane in batch.planes)
    if in_place and is_writeable and bytes_held(batch, crops, alone) <= _BYTES_HELD:
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
