"""Where the pixels of a track's crops come from, for perturbations that move with the face.

Convention: a grid (S, S, 2) holds, for each pixel of a crop, the (x, y) place in the track's first
crop that it shows, in `grid_sample`'s units with align_corners=False: -1 and 1 are the borders.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

_SOFTEN = 1.5
"""Sigma by which crops are blurred before their motion is measured, px."""


class Motion:
    """Follows one track from its first crop on.

    Flow is measured from frame to frame (Farneback) and the places are composed, so that a
    perturbation is sampled once, however long the track: resampling it at every frame would
    blur it away.
    """

    def __init__(self) -> None:
        self._before: NDArray[Any] | None = None
        self._places = np.zeros((0, 0, 2), np.float32)

    def advance(self, crop: Tensor) -> Tensor:
        """The grid (S, S, 2) of the next crop (3, S, S); that of the first is the identity."""
        grey = _grey(crop)
        if self._before is None:
            rows, columns = np.mgrid[0 : grey.shape[0], 0 : grey.shape[1]].astype(np.float32)
            self._places = np.stack([columns, rows], axis=2)
        else:
            self._places = _looked_up(self._places, _flow(grey, self._before))
        self._before = grey
        side = grey.shape[0]
        grid: Tensor = (torch.from_numpy(self._places) + 0.5) / side * 2 - 1
        return grid.to(crop.device)


def carry(change: Tensor, grids: Tensor) -> Tensor:
    """A change (1, 3, S, S) of the first crop as each crop shows it: (F, 3, S, S).

    Bilinear, borders repeated: no value leaves the range of the change.
    """
    every = change.expand(len(grids), -1, -1, -1)
    return F.grid_sample(every, grids, mode="bilinear", padding_mode="border", align_corners=False)


def _grey(crop: Tensor) -> NDArray[Any]:
    level = (crop.detach().mean(dim=0).clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return np.asarray(cv2.GaussianBlur(level, (0, 0), _SOFTEN))


def _flow(now: NDArray[Any], before: NDArray[Any]) -> NDArray[Any]:
    """Backward flow (S, S, 2), px: now(x) = before(x + flow(x))."""
    start: Any = None
    return np.asarray(cv2.calcOpticalFlowFarneback(now, before, start, 0.5, 3, 15, 3, 5, 1.1, 0))


def _looked_up(places: NDArray[Any], flow: NDArray[Any]) -> NDArray[Any]:
    rows, columns = np.mgrid[0 : flow.shape[0], 0 : flow.shape[1]].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    moved = cv2.remap(places, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.float32)
