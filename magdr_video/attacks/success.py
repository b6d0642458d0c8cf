"""Whether a perturbation has done its work, in the [-1, 1] units of METHOD 7."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.attacks.problem import squared_error

DISRUPTED = 0.05
"""Mean squared output error above which a face counts as disrupted (Ruiz et al. 2020)."""
EDITED = 0.5
"""Summed absolute change by the generator above which a pixel counts as edited (CMUA)."""


@dataclass(frozen=True)
class Disruption:
    """How far the outputs of F faces are from those of the clean faces."""

    error: Tensor
    """(F,) mean squared error over the whole crop."""
    edited_error: Tensor
    """(F,) mean squared error over the pixels that the generator edits on the clean face; NaN
    where it edits none."""

    @property
    def disrupted(self) -> Tensor:
        """(F,) booleans by the global criterion."""
        return self.error > DISRUPTED

    @property
    def disrupted_where_edited(self) -> Tensor:
        """(F,) booleans by the masked criterion; False where it is undefined."""
        return self.edited_error > DISRUPTED


def disruption(clean: Tensor, clean_output: Tensor, output: Tensor) -> Disruption:
    """Compare translations.

    Args:
        clean: (F, 3, S, S) the clean crops, in [0, 1].
        clean_output: their translations.
        output: translations of the perturbed crops.
    """
    edited = (2 * (clean_output - clean).abs().sum(dim=1) > EDITED).to(clean.dtype)
    error = (4 * (output - clean_output).square().sum(dim=1) * edited).flatten(1).sum(dim=1)
    count = 3 * edited.flatten(1).sum(dim=1)
    missing = torch.full_like(error, float("nan"))
    return Disruption(
        error=squared_error(output, clean_output),
        edited_error=torch.where(count > 0, error / count.clamp(min=1), missing),
    )


def reached_target(clean_output: Tensor, output: Tensor, target: Tensor) -> Tensor:
    """(F,) booleans: the output is at most half as far from the target as the clean output."""
    return squared_error(output, target) <= squared_error(clean_output, target) / 2
