"""Distortion detector (paper, eq. 4 to 6): does the output change where it should not?

With a crop x_hat and its translation G(x_hat, c), the criteria under each region mask are
standardised on clean faces. The target region, which the task may change, is the image's own
benchmark; other regions that stand out beyond it are flagged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.criteria import distances
from magdr_video.detection.calibration import Calibration
from magdr_video.types import Masks

LEAST_AREA = 0.005
"""Share of the crop below which a region is too small to judge (METHOD 5.1)."""


def region_distances(crops: Tensor, draft: Tensor, masks: Masks, names: tuple[str, ...]) -> Tensor:
    """Eq. 4: criteria between crop and translation under each region, (F, R, J)."""
    return distances(crops, draft, names, masks.data)


def usable_regions(masks: Masks) -> Tensor:
    """(F, R) booleans: regions large enough to judge."""
    return masks.data.mean(dim=(2, 3)) >= LEAST_AREA


def standardise(raw: Tensor, table: Calibration) -> Tensor:
    """z scores (F, R, J) on the clean statistics of the table."""
    mean, std = table.distortion_mean.to(raw), table.distortion_std.to(raw)
    return (raw - mean) / std


def region_margins(z: Tensor, masks: Masks) -> Tensor:
    """m_i = max over criteria of (z_i - z_c), (F, R); minus infinity where it cannot be judged.

    z_c is the mean over the target regions that can be judged, and 0, the clean mean, where there
    are none. Reading of eq. 5 (METHOD 5.3): the target itself is left out, since its own
    difference is always zero.
    """
    target, usable = torch.tensor(masks.target, device=z.device), usable_regions(masks)
    counted = (usable & target).to(z.dtype)[..., None]
    benchmark = (z * counted).sum(dim=1, keepdim=True) / counted.sum(dim=1, keepdim=True).clamp(
        min=1
    )
    margins = (z - benchmark).amax(dim=-1)
    return margins.masked_fill(~usable | target, float("-inf"))


def distortion_score(z: Tensor, masks: Masks) -> Tensor:
    """Eq. 6: mean sigmoid of z over the regions other than the target, (F,)."""
    target = torch.tensor(masks.target, device=z.device)
    counted = (usable_regions(masks) & ~target).to(z.dtype)
    score = torch.sigmoid(z).mean(dim=-1)
    return (score * counted).sum(dim=1) / counted.sum(dim=1).clamp(min=1)
