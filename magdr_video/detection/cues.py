"""Named numbers of a face that the fitted scores weigh (METHOD 5.5: m_i, mu, sigma, noise).

Ratios are taken as logarithms, so that a factor counts alike up and down and one far-off face does
not rule a fit. What each group is for:

* `margin`, `s_dist`, `whole`: the output changes where it should not (eq. 4 to 6).
* `sigma`, `mu`, `near_k`, `near_ssim_k`: the output does not survive small changes of the input
  (eq. 7), all together and for each f_k.
* `moved_k`: how far f_k moves the input. A noisy or sharpened face's output moves far because its
  input does; a perturbed one's although its input does not.
* `aim`, `aim_ssim`, `far`: how much farther the output moves under a residual than under the same
  residual in another place (see `control`).
* `residual`, `gate`: what the learned purifier would take away, and whether it would.
* the columns of `TEXTURE`: what is taken away looks like grain, edges, blocks, or neither.
"""

from __future__ import annotations

from torch import Tensor

from magdr_video.detection.calibration import Calibration, standardise
from magdr_video.detection.consistency import consistency_scores
from magdr_video.detection.distortion import distortion_score, least_margin, region_margins
from magdr_video.detection.measurement import TEXTURE, Measurement

FLOOR = 1e-4
"""Added to distances before their logarithm: a fortieth of an 8-bit level."""

SURE = 12.0
"""Log odds of the purifier's gate beyond which it is no surer."""

MASKED_CUES = ("margin", "s_dist")
"""Cues that need region masks."""

CONTROL_CUES = ("aim", "aim_ssim", "far")
"""Cues that need the control's pass."""

SCORED_CUES = (
    "margin",
    "aim",
    "far",
    "gate",
    "near_ssim_1",
    "near_0",
    "mu",
    "noise_luma",
    "noise_chroma",
    "coarse_in",
)
"""Cues of the combined score. Chosen among eight sets by cross-validation on the fitting faces (160
attacked ones, three tasks): mean AUROC against clean faces 1.00 for files and in frames, 0.85 to
0.94 after a codec. `margin` does nothing for `edit`, a little harm to `reenact` (0.78 to 0.76 after
crf 23, held out) and much good to `replace` (0.89 to 0.95).

`coarse_in` tells edit's attacks, which look like noise, from grain.

After a codec more copies tell no more. 24 faces through crf 23, cross-validated AUROC of near_0,
near_1, residual, gate and luma noise / and the ungated purifier as one more f_k / and distances of
the copies' translations from each other / of six f_k: `reenact` 0.88 / 0.91 / 0.85 / 0.88, `edit`
0.73 / 0.72 / 0.70 / 0.71; chance moves them by 0.05. near_1, the purifier's, alone has 0.91 and
0.78: better weights of it are what would help."""

INPUT_CUES = ("noise_luma", "noise_chroma", "colour_in", "coarse_in", "moved_0")
"""Cues of the crop alone."""


def measure_cues(held: Measurement, table: Calibration) -> dict[str, Tensor]:
    """Cues of F faces by name, each (F,) and finite; `l1` and `ssim` must be criteria."""
    far = standardise(held.regional, table, "distortion", held.condition)
    near = standardise(held.consistency, table, "consistency", held.condition)
    margins = region_margins(far, held.usable, held.target)
    sigma, mu = consistency_scores(near)
    cues = {
        "margin": _squeezed(least_margin(margins, table.least_flags)),
        "s_dist": distortion_score(far, held.usable, held.target, two_sided=table.two_sided),
        "sigma": _log(sigma),
        "mu": _squeezed(mu),
    }
    return cues | _plain_cues(held, table)


def _plain_cues(held: Measurement, table: Calibration) -> dict[str, Tensor]:
    """Cues that are not standardised by the table."""
    l1, ssim = table.criteria.index("l1"), table.criteria.index("ssim")
    cues = {"whole": _log(held.whole[:, l1])}
    for place in range(held.consistency.shape[1]):
        cues[f"near_{place}"] = _log(held.consistency[:, place, l1])
        cues[f"near_ssim_{place}"] = _log(held.consistency[:, place, ssim])
        cues[f"moved_{place}"] = _log(held.moved[:, place])
    cues["aim"] = cues["near_0"] - _log(held.control[:, 0, l1])
    cues["aim_ssim"] = cues["near_ssim_0"] - _log(held.control[:, 0, ssim])
    cues["far"] = cues["near_0"] - _log(held.control[:, 1, l1])
    found, odds = held.evidence.unbind(dim=1)
    cues |= {"residual": _log(found), "gate": odds.clamp(-SURE, SURE)}
    return cues | dict(zip(TEXTURE, _log(held.texture).unbind(dim=1), strict=True))


def _log(values: Tensor) -> Tensor:
    return (values.clamp(min=0) + FLOOR).log()


def _squeezed(values: Tensor) -> Tensor:
    """The sign times log(1 + abs); a detector that abstains (minus infinity) says 0."""
    known = values.masked_fill(~values.isfinite(), 0.0)
    return known.sign() * known.abs().log1p()
