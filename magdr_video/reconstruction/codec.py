"""Whether a perturbed face came through a lossy codec, told by the crop alone.

A codec takes most of a perturbation with it. What is left is weak and smeared, and a chain that
undoes a whole perturbation then costs more of the face than it repairs (`reenact`, H.264 crf 23:
2 dB), so such faces get recipes of their own. No generator pass is spent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.transforms import estimate_noise, evidence

CUES = ("noise", "residual", "gate")
"""Noise of the luma, and what the learned purifier finds (`transforms.evidence`)."""

FLOOR = 1e-4
"""Added to noise and residual before their logarithm: a fortieth of an 8-bit level."""

SURE = 12.0
"""Log odds of the purifier's gate beyond which it is no surer."""


def codec_cues(crops: Tensor) -> Tensor:
    """The columns of `CUES` of crops (F, 3, S, S) in [0, 1]: (F, 3), finite."""
    with torch.no_grad():
        found, odds = evidence(crops).unbind(dim=1)
    noise = estimate_noise(crops)
    return torch.stack(
        [(noise + FLOOR).log(), (found + FLOOR).log(), odds.clamp(-SURE, SURE)], dim=1
    )


@dataclass(frozen=True)
class CodecSigns:
    """Log odds that a perturbed face came through a codec, linear in `CUES`."""

    weights: tuple[float, ...]
    """One a cue."""
    bias: float

    def __post_init__(self) -> None:
        if len(self.weights) != len(CUES):
            raise ValueError(f"{len(self.weights)} weights given for the cues {', '.join(CUES)}")

    def odds(self, crops: Tensor) -> Tensor:
        """Log odds of each of the crops (F, 3, S, S), (F,)."""
        cues = codec_cues(crops)
        return cues @ torch.tensor(self.weights).to(cues) + self.bias

    def is_compressed(self, crops: Tensor) -> bool:
        """What crops of one track say together."""
        return float(self.odds(crops).mean()) > 0
