"""The loss of a generator that moves pixels before it paints (`models.warped`) on pairs.

A pair brings the flow along which its target was made from its source, so that the net is told
where pixels go, and what is left to paint: the places that the true flow does not explain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from magdr_video.models.trunk import blend_by_attention
from magdr_video.models.warped import WarpedGenerator, move
from magdr_video.training.moving_pairs import Pairs
from magdr_video.training.paired import soft_area

UNEXPLAINED = 0.12
"""Difference in [-1, 1] above which a pixel that was moved rightly must be painted."""


@dataclass(frozen=True)
class PairLoss:
    """The loss of a batch and what is reported of it."""

    total: Tensor
    moved: Tensor
    """L1 where source and target differ."""
    still: Tensor
    """The same for a net that does nothing."""
    flow: Tensor
    """Mean error of the flow where pixels move, in px."""
    read: Tensor
    """Mean squared error of the reader."""
    out: Tensor
    """(F, 3, S, S): what the net made."""
    area: Tensor
    """(F, 1, S, S) in [0, 1]: where source and target differ."""


def _balanced(area: Tensor) -> Tensor:
    """Weights of mean 1 inside an area, whatever its size: a blink counts as much as a jaw drop."""
    return area / area.mean(dim=(1, 2, 3), keepdim=True).clamp_min(0.01)


def read_error(read: Tensor, there: Tensor) -> Tensor:
    """Mean squared error of readings (F, C); none beyond 0 and 1, where readings are clipped."""
    known = there.isfinite()
    missing = read - torch.where(known, there, read.detach())
    idle = ((there <= 0) & (read < 0)) | ((there >= 1) & (read > 1))
    return missing.masked_fill(idle, 0).square().mean()


def pair_loss(net: WarpedGenerator, pairs: Pairs) -> PairLoss:
    """Error of the image, of the flow, of the paint, of where it goes and of the reader."""
    source, target, flow = pairs.source, pairs.target, pairs.flow
    painting, attention = net.painting_with_attention(source, pairs.asked)
    out = blend_by_attention(source, attention, painting.image)
    area = soft_area(target - source, 0.05)
    weight = _balanced(area)
    error = (out - target).abs()
    there = (weight * error).mean()

    pixels = source.shape[-1] / 2
    length = flow.square().sum(1, keepdim=True).sqrt() * pixels
    moving = _balanced(nn.functional.max_pool2d((length > 0.4).float(), 3, stride=1, padding=1))
    astray = (painting.flow - flow).abs().sum(1, keepdim=True) * pixels
    flow_error = (moving * astray).mean()

    unexplained = soft_area(target - move(source, flow), UNEXPLAINED)
    share = painting.share.clamp(1e-4, 1 - 1e-4)
    where = nn.functional.binary_cross_entropy(share, unexplained)
    painted = (_balanced(unexplained) * (painting.paint - target).abs()).mean()
    read = read_error(painting.there, pairs.there)
    total = there + 2 * error.mean() + 0.2 * (flow_error + astray.mean())
    total = total + 0.2 * where + 0.3 * painted + 2 * read
    still = (weight * (source - target).abs()).mean()
    return PairLoss(total, there.detach(), still, flow_error.detach(), read.detach(), out, area)
