"""Consistency detector (paper, eq. 7): does the output survive small changes of the input?

A perturbation is brittle: after JPEG, blur or resampling of the input the generator's output
changes much more than it does on a clean face.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Generate = Callable[[Tensor, Tensor], Tensor]
"""Crops (F, 3, S, S) in [0, 1] and conditions (F, C) to translations (F, 3, S, S) in [0, 1]."""


def consistency_scores(z: Tensor) -> tuple[Tensor, Tensor]:
    """S_cons (the paper's sigma over transforms) and the mean shift mu, each (F,).

    Both are means over the criteria of the standardised distances (F, K, J). The mean is the
    stronger cue when every f_k repairs the output equally, which sigma alone misses.
    """
    return z.std(dim=1, unbiased=False).mean(dim=-1), z.mean(dim=(1, 2))


def generate_changed(generate: Generate, changed: Tensor, condition: Tensor) -> Tensor:
    """Translations of changed copies, (K, F, 3, S, S), in one batched call.

    Args:
        changed: (K, F, 3, S, S) in [0, 1].
        condition: (F, C).
    """
    copies, faces = changed.shape[:2]
    outputs = generate(changed.flatten(0, 1), condition.repeat(copies, 1))
    return outputs.reshape(copies, faces, *outputs.shape[1:])
