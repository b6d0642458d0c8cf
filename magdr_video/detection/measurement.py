"""What one inspection measures of a face; all generator passes of the detectors are spent here.

Measuring and judging are apart, so that a calibration measures each face once and then fits
statistics, scores and thresholds without another pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.criteria import Features, distances
from magdr_video.detection.consistency import Generate, generate_changed
from magdr_video.detection.control import unaimed_copy
from magdr_video.detection.distortion import usable_regions
from magdr_video.detection.noise import chroma_noise
from magdr_video.transforms import apply_chain, estimate_noise
from magdr_video.types import Masks, TransformChoice


@dataclass(frozen=True)
class Measurement:
    """Raw distances of F faces, not yet standardised; all on the crops' device."""

    condition: Tensor
    """(F, C) what the generator was asked for."""
    regional: Tensor
    """(F, R, J) eq. 4: criteria between crop and translation under each region."""
    whole: Tensor
    """(F, J) the same over the whole crop, without masks."""
    usable: Tensor
    """(F, R) booleans: regions large enough to be judged."""
    target: Tensor
    """(F, R) booleans: regions that the task may change."""
    consistency: Tensor
    """(F, K, J) d^k of eq. 7: criteria between the translations of the crop and of f_k of it."""
    moved: Tensor
    """(F, K) mean absolute change of the input under f_k."""
    control: Tensor
    """(F,) mean absolute difference between the translations of the smoothed crop and of its
    copy with unaimed noise; see `control`."""
    noise: Tensor
    """(F, 2) noise of the crop's luma and chroma, standard deviations in [0, 1]."""
    draft: Tensor
    """(F, 3, S, S) the translation that was measured."""

    def __len__(self) -> int:
        return len(self.condition)


def join(parts: Sequence[Measurement]) -> Measurement:
    """Measurements one after another."""
    names = [field.name for field in dataclasses.fields(Measurement)]
    return Measurement(**{n: torch.cat([getattr(part, n) for part in parts]) for n in names})


def measure(
    generate: Generate,
    crops: Tensor,
    masks: Masks,
    condition: Tensor,
    *,
    transforms: Sequence[Sequence[TransformChoice]],
    criteria: Sequence[str],
    draft: Tensor | None = None,
    features: Features | None = None,
) -> Measurement:
    """Spend the passes of an inspection: K + 1 changed copies of each crop, and its draft.

    Args:
        generate: the generator; see `consistency.Generate`.
        crops: (F, 3, S, S) in [0, 1].
        masks: R regions of each crop.
        condition: (F, C).
        transforms: K chains f_k; the first is the denoiser of the control.
        criteria: J names, see `criteria.distances`.
        draft: the translation of the crops, when it is known already.
        features: for the criterion 'cos'.
    """
    draft = generate(crops, condition) if draft is None else draft
    changed = torch.stack([apply_chain(crops, chain) for chain in transforms])
    copies = torch.cat([changed, unaimed_copy(crops, changed[0])[None]])
    outputs = generate_changed(generate, copies, condition)
    apart = [distances(draft, one, criteria, features=features)[:, 0] for one in outputs[:-1]]
    return Measurement(
        condition=condition,
        regional=distances(crops, draft, criteria, masks.data, features=features),
        whole=distances(crops, draft, criteria, features=features)[:, 0],
        usable=usable_regions(masks),
        target=torch.tensor(masks.target, device=crops.device).expand(len(crops), -1),
        consistency=torch.stack(apart, dim=1),
        moved=(changed - crops).abs().mean(dim=(2, 3, 4)).transpose(0, 1),
        control=(outputs[0] - outputs[-1]).abs().mean(dim=(1, 2, 3)),
        noise=torch.stack([estimate_noise(crops), chroma_noise(crops)], dim=1),
        draft=draft,
    )
