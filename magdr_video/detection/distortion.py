"""Distortion detector (paper, eq. 4 to 6): does the output change where it should not?

With a crop x_hat and its translation G(x_hat, c), the criteria under each region mask are
standardised on clean faces. The target region, which the task may change, is the image's own
benchmark; other regions that stand out beyond it are flagged.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.types import Masks

SMALLEST_SHARE = 0.005
"""Of the face's area; a smaller region holds too few pixels to be judged (METHOD 5.1)."""

FACE_REGIONS = ("skin", "brows", "eyes", "nose", "mouth")
"""Regions whose areas make the face's."""

NOTHING = float("-inf")
"""Margin of a region that is not judged, and of a face where the detector abstains."""


def usable_regions(masks: Masks) -> Tensor:
    """(F, R) booleans: regions of at least `SMALLEST_SHARE` of the face's area.

    Masks that name none of the `FACE_REGIONS` are measured against the whole crop.
    """
    area = masks.data.sum(dim=(2, 3))
    inner = [place for place, name in enumerate(masks.regions) if name in FACE_REGIONS]
    whole = area[:, inner or list(range(area.shape[1]))].sum(dim=1, keepdim=True)
    return area >= (SMALLEST_SHARE * whole).clamp(min=1e-6)


def region_margins(z: Tensor, usable: Tensor, target: Tensor) -> Tensor:
    """m_i = max over criteria of (z_i - z_c), (F, R); `NOTHING` where it cannot be judged.

    z_c is the mean over the target regions that can be judged, and 0, the clean mean, where there
    are none. Reading of eq. 5 (METHOD 5.3): the target itself is left out, since its own
    difference is always zero.

    Args:
        z: (F, R, J) standardised criteria.
        usable: (F, R) booleans.
        target: (F, R) booleans.
    """
    counted = (usable & target).to(z.dtype)[..., None]
    benchmark = (z * counted).sum(dim=1, keepdim=True) / counted.sum(dim=1, keepdim=True).clamp(
        min=1
    )
    margins = (z - benchmark).amax(dim=-1)
    return margins.masked_fill(~usable | target, NOTHING)


def least_margin(margins: Tensor, least_flags: int) -> Tensor:
    """The n_V-th largest margin, (F,): at least tau_V exactly where n_V regions are flagged.

    With fewer regions than n_V that can be judged the detector abstains: `NOTHING`.
    """
    if least_flags > margins.shape[1]:
        return torch.full_like(margins[:, 0], NOTHING)
    return margins.sort(dim=1, descending=True).values[:, least_flags - 1]


def distortion_score(z: Tensor, usable: Tensor, target: Tensor, *, two_sided: bool) -> Tensor:
    """Eq. 6: mean sigmoid of z over the regions other than the target, (F,) in [0, 1].

    A face without such a region scores 0.5, what a clean one scores on average.

    Args:
        z: (F, R, J) standardised criteria.
        usable: (F, R) booleans.
        target: (F, R) booleans.
        two_sided: takes abs(z), for replace: an attack that makes the output equal the input
            lowers the distances instead of raising them (METHOD 5.3).
    """
    counted = (usable & ~target).to(z.dtype)
    score = torch.sigmoid(z.abs() if two_sided else z).mean(dim=-1)
    total = counted.sum(dim=1)
    mean = (score * counted).sum(dim=1) / total.clamp(min=1)
    return torch.where(total > 0, mean, torch.full_like(mean, 0.5))
