"""What one inspection measures of a face; all generator passes of the detectors are spent here.

Measuring and judging are apart, so that a calibration measures each face once and then fits
statistics, scores and thresholds without another pass.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.criteria import Features, Images, distances
from magdr_video.detection.consistency import Generate, generate_changed
from magdr_video.detection.control import misplaced_copy
from magdr_video.detection.distortion import usable_regions
from magdr_video.detection.texture import (
    chroma_noise,
    coarse_share,
    colour_share,
    local_ratio,
)
from magdr_video.transforms import apply_chain, estimate_noise, evidence
from magdr_video.types import Masks, TransformChoice

TEXTURE = (
    "colour_in",
    "colour_out",
    "coarse_in",
    "coarse_out",
    "local_median",
    "local_high",
    "noise_luma",
    "noise_chroma",
)
"""Names of the columns of `Measurement.texture`."""


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
    """(F, 2, J) criteria between the translation of the control copy (see `control`) and that of
    the smoothed crop; and that of the crop itself."""
    texture: Tensor
    """(F, len(TEXTURE)) what the first f_k takes from crop and translation looks like, and the
    crop's noise; all above 0."""
    evidence: Tensor
    """(F, 2) what the learned purifier finds, see `purify.evidence`."""
    draft: Tensor
    """(F, 3, S, S) the translation that was measured."""

    def __len__(self) -> int:
        return len(self.condition)

    def cpu(self) -> Measurement:
        """The same on the CPU."""
        names = [field.name for field in dataclasses.fields(Measurement)]
        return Measurement(**{name: getattr(self, name).cpu() for name in names})


def join(parts: Sequence[Measurement]) -> Measurement:
    """Measurements one after another."""
    names = [field.name for field in dataclasses.fields(Measurement)]
    return Measurement(**{n: torch.cat([getattr(part, n) for part in parts]) for n in names})


def pick(held: Measurement, places: Sequence[int]) -> Measurement:
    """The faces at some places, in that order."""
    fields = dataclasses.fields(Measurement)
    return Measurement(**{field.name: getattr(held, field.name)[list(places)] for field in fields})


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
    change: Callable[[Tensor, Sequence[TransformChoice]], Tensor] = apply_chain,
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
        change: applies an f_k; attackers who differentiate the detector bring their own.
    """
    draft = generate(crops, condition) if draft is None else draft
    changed = torch.stack([change(crops, chain) for chain in transforms])
    copies = torch.cat([changed, misplaced_copy(crops, changed[0])[None]])
    outputs = generate_changed(generate, copies, condition)
    bare, drafted, (*others, control) = Images(crops), Images(draft), map(Images, outputs)

    def apart(u: Images, v: Images) -> Tensor:
        return distances(u, v, criteria, features=features)[:, 0]

    return Measurement(
        condition=condition,
        regional=distances(bare, drafted, criteria, masks.data, features=features),
        whole=apart(bare, drafted),
        usable=usable_regions(masks),
        target=torch.tensor(masks.target, device=crops.device).expand(len(crops), -1),
        consistency=torch.stack([apart(drafted, one) for one in others], dim=1),
        moved=(changed - crops).abs().mean(dim=(2, 3, 4)).transpose(0, 1),
        control=torch.stack([apart(others[0], control), apart(drafted, control)], dim=1),
        texture=_texture(crops, crops - changed[0], draft - outputs[0]),
        evidence=evidence(crops),
        draft=draft,
    )


def _texture(crops: Tensor, moved: Tensor, output: Tensor) -> Tensor:
    """The columns of `TEXTURE`."""
    columns = (
        colour_share(moved),
        colour_share(output),
        coarse_share(moved),
        coarse_share(output),
        local_ratio(output, moved, 0.5),
        local_ratio(output, moved, 0.9),
        estimate_noise(crops),
        chroma_noise(crops),
    )
    return torch.stack(columns, dim=1)
