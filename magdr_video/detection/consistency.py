"""Consistency detector (paper, eq. 7): does the output survive small changes of the input?

A perturbation is brittle: after JPEG, blur or resampling of the input the generator's output
changes much more than it does on a clean face.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from magdr_video.criteria import distances
from magdr_video.detection.calibration import Calibration
from magdr_video.transforms import apply_chain

Generate = Callable[[Tensor, Tensor], Tensor]
"""Crops (F, 3, S, S) in [0, 1] and conditions (F, C) to translations (F, 3, S, S) in [0, 1]."""


def consistency_distances(
    crops: Tensor, condition: Tensor, draft: Tensor, generate: Generate, table: Calibration
) -> Tensor:
    """d^k = D(G(x_hat, c), G(f_k(x_hat), c)) over the whole crop, (F, K, J).

    One batched generator call over all K transforms.
    """
    count, transforms = len(crops), len(table.transforms)
    changed = torch.cat([apply_chain(crops, chain) for chain in table.transforms])
    outputs = generate(changed, condition.repeat(transforms, 1))
    again = draft.repeat(transforms, 1, 1, 1)
    raw = distances(again, outputs, table.criteria)[:, 0]
    return raw.reshape(transforms, count, -1).transpose(0, 1)


def consistency_scores(raw: Tensor, table: Calibration) -> tuple[Tensor, Tensor]:
    """S_cons (the paper's sigma over transforms) and the mean shift mu, each (F,).

    Both are means over the criteria of the standardised distances. The mean is the stronger cue
    when every f_k repairs the output equally, which sigma alone misses.
    """
    z = (raw - table.consistency_mean.to(raw)) / table.consistency_std.to(raw)
    sigma = z.std(dim=1, unbiased=False).mean(dim=-1)
    return sigma, z.mean(dim=(1, 2))
