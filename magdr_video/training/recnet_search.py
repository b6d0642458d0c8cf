"""What searches do to attacked faces, and the margin that they call for."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.reconstruction.fitted import RecNetTable
from magdr_video.stages.chooser import Chooser, Faces
from magdr_video.training.chain_trials import Trials
from magdr_video.training.recnet_fit import Fitted, fit_margin
from magdr_video.types import RunReport


@dataclass(frozen=True)
class Searched:
    """What searches did to some faces."""

    psnr: Tensor
    """(F,) PSNR(O), dB."""
    lowered: Tensor
    """(F,) by how much S_final fell below the default's."""
    gained: Tensor
    """(F,) dB gained over the default."""
    searches: int


def search(trials: Trials, table: RecNetTable, budget: int) -> Searched:
    """Repair every face by the default, and by the search that begins with it."""
    report = RunReport()
    faces = Faces(
        bare=trials.crops,
        base=trials.crops,
        masks=trials.masks,
        condition=trials.condition,
        scores=[float("inf")] * len(trials),
        averaged=False,
    )

    def repaired(passes: int) -> tuple[Tensor, Tensor]:
        choices = Chooser(trials.detector, table, passes, report).choose(faces)
        ones = [trials.rows([row]) for row in range(len(trials))]
        crops = [c.apply(one.crops, one.masks) for c, one in zip(choices, ones, strict=True)]
        scores = torch.tensor([choice.after for choice in choices])
        return trials.output_db(torch.cat(crops)), scores

    (default, before), (psnr, after) = repaired(0), repaired(budget)
    return Searched(psnr, before - after, psnr - default, report.searches)


def with_margin(done: Fitted, trials: Trials, budget: int) -> Fitted:
    """The table with the margin that searches of the training faces call for."""
    free = dataclasses.replace(done.table, margin=0.0)
    held = search(trials, free, budget)
    margin = fit_margin(held.lowered, held.gained)
    return dataclasses.replace(done, table=dataclasses.replace(done.table, margin=margin))
