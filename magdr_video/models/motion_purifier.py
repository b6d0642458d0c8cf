"""The purifier of clips: an average along the motion and the frame itself to the repaired frame.

An average of neighbouring frames (`reconstruction.temporal`) has lost most of what an attack added
frame by frame, but keeps what the frames share, and has lost what moved on its own. The frame has
that, under all of the perturbation. The network is the still purifier of the average, told how the
frame differs from it: it takes out what is left of the perturbation and puts back what the average
lost. Where there are no neighbours the two are the same, and it is a still purifier.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.models.purifier import TRUST, Purifier, TwoScale, guided_residual, padded

DETAIL = 4.0
"""Differences of a frame from its average come in so much larger, to be of the average's size."""

DISTRUST = -3.0
"""Logit of the share of the frame's difference that the training begins with: 0.05."""


class MotionPurifier(TwoScale):
    """Averages and frames in [-1, 1] to repaired frames in the same units; no gate.

    Args:
        width: channels at half resolution, twice as many at a quarter.
        blocks: residual blocks at a quarter of the resolution.
    """

    def __init__(self, *, width: int = 24, blocks: int = 3) -> None:
        super().__init__(24, 36, width, blocks)
        assert self.leave.bias is not None
        with torch.no_grad():
            self.leave.bias[12:24] = TRUST
            self.leave.bias[24:] = DISTRUST

    def forward(self, mean: Tensor, frame: Tensor) -> Tensor:
        """Repair (F, 3, H, W) frames whose averages, of the same shape, are given."""
        height, width = mean.shape[-2:]
        average, detail = padded(mean), padded(frame - mean)
        given = torch.cat([average, detail * DETAIL], dim=1)
        merged, _ = self.maps(F.pixel_unshuffle(given, 2))
        extra, take, keep = F.pixel_shuffle(self.leave(merged), 2).chunk(3, dim=1)
        taken = extra + torch.sigmoid(take) * guided_residual(average)
        repaired = average - taken + torch.sigmoid(keep) * detail
        return repaired[..., :height, :width]

    @torch.no_grad()
    def begin_as(self, still: Purifier) -> None:
        """Become a still purifier of the average, of the same width and blocks."""
        own, given = self.state_dict(), still.state_dict()
        # A row of `enter` has the average's channels first, `leave` what both networks give first.
        own["enter.weight"].zero_()[:, : given["enter.weight"].shape[1]] = given["enter.weight"]
        for name in ("leave.weight", "leave.bias"):
            own[name][: len(given[name])] = given[name]
        same = {name for name in own if not name.startswith("leave.")} - {"enter.weight"}
        self.load_state_dict(own | {name: given[name] for name in same})
