"""Drafts where they will do, one pass for every other face."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from magdr_video.stages.generator import Generate
from magdr_video.types import Verdict


def translate_by_verdict(
    generate: Generate,
    restored: Tensor,
    condition: Tensor,
    verdict: Verdict,
    *,
    use_drafts: bool = True,
) -> Tensor:
    """Drafts where the face is clean and was drafted; one pass for every other face.

    Args:
        use_drafts: False where drafts are made otherwise than what is shown, so that a clean clip
            comes out as it would without a defence, bit by bit.
    """
    drafted = verdict.inspected & ~verdict.perturbed & use_drafts
    rest = np.flatnonzero(~drafted).tolist()
    out = verdict.draft.clone()
    if rest:
        out[rest] = generate(restored[rest], condition[rest])
    return out
