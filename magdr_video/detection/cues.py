"""Named numbers of a face that the fitted scores weigh (METHOD 5.5: m_i, mu, sigma, noise).

Ratios are taken as logarithms, so that a factor counts alike up and down and one far-off face does
not rule a fit. What each group is for:

* `margin`, `s_dist`, `whole`: the output changes where it should not (eq. 4 to 6).
* `sigma`, `mu`: the output does not survive small changes of the input (eq. 7).
* `brittle_k`: how far the output moves for each unit that f_k moves the input. A noisy or sharpened
  face moves far under f_k because its input does; a perturbed one although its input does not.
* `aim`: how much farther the output moves under a residual than under the same residual with its
  signs drawn anew (see `control`).
* `noise_luma`, `noise_chroma`, `residual`: the input alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.detection.calibration import Calibration, standardise
from magdr_video.detection.consistency import consistency_scores
from magdr_video.detection.distortion import distortion_score, least_margin, region_margins
from magdr_video.detection.measurement import Measurement

FLOOR = 1e-4
"""Added to distances before their logarithm: a fortieth of an 8-bit level."""


def measure_cues(held: Measurement, table: Calibration) -> dict[str, Tensor]:
    """Cues of F faces by name, each (F,) and finite."""
    far = standardise(held.regional, table, "distortion", held.condition)
    near = standardise(held.consistency, table, "consistency", held.condition)
    margins = region_margins(far, held.usable, held.target)
    score = distortion_score(far, held.usable, held.target, two_sided=table.two_sided)
    sigma, mu = consistency_scores(near)
    cues = {
        "margin": _squeezed(least_margin(margins, table.least_flags)),
        "s_dist": score,
        "sigma": (sigma + FLOOR).log(),
        "mu": _squeezed(mu),
    }
    return cues | brittleness_cues(held, table) | input_cues(held)


def brittleness_cues(held: Measurement, table: Calibration) -> dict[str, Tensor]:
    """`brittle_k` for each transform, `aim`, and `whole`: the size of the translation's change."""
    l1 = table.criteria.index("l1")
    output, moved = (held.consistency[:, :, l1] + FLOOR).log(), (held.moved + FLOOR).log()
    brittle = (output - moved).unbind(dim=1)
    names = [f"brittle_{'_'.join(one.category for one in chain)}" for chain in table.transforms]
    cues = dict(zip(names, brittle, strict=True))
    cues["aim"] = output[:, 0] - (held.control + FLOOR).log()
    cues["whole"] = (held.whole[:, l1] + FLOOR).log()
    return cues


def input_cues(held: Measurement) -> dict[str, Tensor]:
    """What the crop alone tells: its fine noise and what the control's denoiser takes away."""
    luma, chroma = (held.noise + FLOOR).log().unbind(dim=1)
    return {
        "noise_luma": luma,
        "noise_chroma": chroma,
        "residual": (held.moved[:, 0] + FLOOR).log(),
    }


def _squeezed(values: Tensor) -> Tensor:
    """The sign times log(1 + abs); a detector that abstains (minus infinity) says 0."""
    known = torch.where(values.isfinite(), values, torch.zeros_like(values))
    return known.sign() * known.abs().log1p()
