"""Drafts where they will do, one pass for every other face."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from magdr_video.stages.generator import Generate
from magdr_video.types import Verdict


def translate_by_verdict(
    generate: Generate, restored: Tensor, condition: Tensor, verdict: Verdict
) -> Tensor:
    """Drafts where the face is clean and was drafted; one pass for every other face."""
    drafted = verdict.inspected & ~verdict.perturbed
    rest = np.flatnonzero(~drafted).tolist()
    out = verdict.draft.clone()
    if rest:
        out[rest] = generate(restored[rest], condition[rest])
    return out
