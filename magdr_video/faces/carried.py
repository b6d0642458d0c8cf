"""What a crop looks like after its change has been pasted into the frame and is cut out again.

Pasting and cutting each interpolate, and chroma passes planes of half the size: a change as fine as
a perturbation loses a good part of itself. Someone who wants a change to arrive, as a protection
must, has to make it with that in mind; the way is linear, so gradients go through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magdr_video.faces.alignment import plane_shift
from magdr_video.faces.warping import (
    compose,
    inverse,
    plane_affine,
    resample,
    shift,
    windows_of,
)
from magdr_video.types import FaceCrops, FrameBatch
from magdr_video.video.colour import from_rgb, to_rgb


@dataclass(frozen=True)
class _Way:
    """From crops into windows of a plane, and out again."""

    to_window: NDArray[np.float64]
    """(F, 2, 3) crop pixels to window pixels."""
    back: NDArray[np.float64]
    """(F, 2, 3), its inverse."""
    share: Tensor
    """(F, 1, h, w) weight that the change is pasted with."""

    def __call__(self, change: Tensor, size: int) -> Tensor:
        """(F, 1, S, S) code values to the (F, S, S) that are found again."""
        height, width = self.share.shape[-2:]
        pasted = self.share * resample(change, self.back, height, width)
        return resample(pasted, self.to_window, size, size)[:, 0]


class Carried:
    """The way of some crops through their frames and back, for any change of them.

    Args:
        batch: frames the crops were cut from.
        crops: F crops.
        weight: (F, 1, S, S) that the change is pasted with, see `pasting.paste_weight`.
    """

    def __init__(self, batch: FrameBatch, crops: FaceCrops, weight: Tensor) -> None:
        self.batch, self.crops, self.weight = batch, crops, weight
        # An attack asks for the same way at every step.
        self._before = torch.stack(from_rgb(crops.data, batch.colour, batch.bits), 1)
        self._ways = [self._way(which) for which in range(len(batch.planes))]

    def __call__(self, changed: Tensor) -> Tensor:
        """Crops (F, 3, S, S) in [0, 1] as `align` would cut them after `paste(changed)`.

        Rounding to the planes' levels is left out, and so is the loss of the source's own detail,
        which only starts where a change is visible.
        """
        colour, bits, before = self.batch.colour, self.batch.bits, self._before
        after = torch.stack(from_rgb(changed, colour, bits), 1)
        change, size = after - before, self.crops.size
        seen = [way(change[:, which, None], size) for which, way in enumerate(self._ways)]
        # A grey clip has no planes that a change of colour could pass through.
        seen += [torch.zeros_like(seen[0])] * (3 - len(seen))
        y, u, v = (before[:, which] + seen[which] for which in range(3))
        return to_rgb(y, u, v, colour, bits)

    def _way(self, which: int) -> _Way:
        plane, size = self.batch.planes[which], self.crops.size
        reduced = plane_affine(plane_shift(self.batch, which))
        crop_to_plane = compose(reduced, inverse(self.crops.affine))
        windows = windows_of(crop_to_plane, size, plane.shape[1], plane.shape[2])
        to_window: NDArray[np.float64] = compose(inverse(shift(windows)), crop_to_plane)
        back = inverse(to_window)
        weight = self.weight.to(self._before)
        share = resample(weight, back, windows.height, windows.width, outside="zeros")
        return _Way(to_window, back, share)
