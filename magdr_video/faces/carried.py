"""What a crop looks like after its change has been pasted into the frame and is cut out again.

Pasting and cutting each interpolate, and chroma passes planes of half the size: a change as fine as
a perturbation loses a good part of itself. Someone who wants a change to arrive, as a protection
must, has to make it with that in mind; the way is linear, so gradients go through it.
"""

from __future__ import annotations

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


class Carried:
    """The way of some crops through their frames and back, for any change of them.

    Args:
        batch: frames the crops were cut from.
        crops: F crops.
        weight: (F, 1, S, S) that the change is pasted with, see `pasting.paste_weight`.
    """

    def __init__(self, batch: FrameBatch, crops: FaceCrops, weight: Tensor) -> None:
        self.batch, self.crops, self.weight = batch, crops, weight

    def __call__(self, changed: Tensor) -> Tensor:
        """Crops (F, 3, S, S) in [0, 1] as `align` would cut them after `paste(changed)`.

        Rounding to the planes' levels is left out, and so is the loss of the source's own detail,
        which only starts where a change is visible.
        """
        clean, colour, bits = self.crops.data, self.batch.colour, self.batch.bits
        before, after = (torch.stack(from_rgb(x, colour, bits), 1) for x in (clean, changed))
        seen = [
            self._through_plane((after - before)[:, which, None], which)
            for which in range(len(self.batch.planes))
        ]
        # A grey clip has no planes that a change of colour could pass through.
        seen += [torch.zeros_like(seen[0])] * (3 - len(seen))
        y, u, v = (before[:, which] + seen[which] for which in range(3))
        return to_rgb(y, u, v, colour, bits)

    def _through_plane(self, change: Tensor, which: int) -> Tensor:
        """(F, 1, S, S) code values to the (F, S, S) that are found again."""
        plane, size = self.batch.planes[which], self.crops.size
        reduced = plane_affine(plane_shift(self.batch, which))
        crop_to_plane = compose(reduced, inverse(self.crops.affine))
        windows = windows_of(crop_to_plane, size, plane.shape[1], plane.shape[2])
        to_window: NDArray[np.float64] = compose(inverse(shift(windows)), crop_to_plane)
        back = inverse(to_window)
        height, width = windows.height, windows.width
        share = resample(self.weight.to(change), back, height, width, outside="zeros")
        pasted = share * resample(change, back, height, width)
        return resample(pasted, to_window, size, size)[:, 0]
