"""Fitting a small binary classifier, for the detectors that are networks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def fit_classifier(
    net: nn.Module,
    negatives: Tensor,
    positives: Tensor,
    *,
    steps: int,
    batch: int,
    rate: float,
    seed: int,
    mirrored: bool = True,
) -> None:
    """Train `net` to give one logit a row, positive for `positives`, in place; leaves it in eval.

    Half of each batch comes from either class. Adam, its rate falling along half a cosine;
    batches and flips are drawn on the CPU from `seed`.

    Args:
        net: (B, ...) to (B, 1) logits.
        negatives: (E, C, h, w).
        positives: (E', C, h, w).
        mirrored: mirror half of the rows.

    Raises:
        ValueError: a class is empty.
    """
    if len(negatives) == 0 or len(positives) == 0:
        raise ValueError(f"{len(negatives)} clean and {len(positives)} attacked faces: need both")
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    half = batch // 2
    drawn = _Drawn(negatives, positives, half, steps + SETTLING, seed, mirrored=mirrored)
    labels = torch.cat([torch.zeros(half), torch.ones(half)]).to(negatives.device)
    net.train()
    for step in range(steps):
        loss = F.binary_cross_entropy_with_logits(net(drawn.batch(step))[:, 0], labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    _settle(net, [drawn.batch(steps + more) for more in range(SETTLING)])
    net.eval()


SETTLING = 8
"""Batches over which running statistics are measured at the end."""


class _Drawn:
    """Batches of `half` rows of either class, some of them mirrored.

    All are drawn first and go to the device together: a copy in every step would make a GPU wait.
    """

    def __init__(
        self,
        negatives: Tensor,
        positives: Tensor,
        half: int,
        count: int,
        seed: int,
        *,
        mirrored: bool,
    ) -> None:
        draw = torch.Generator().manual_seed(seed)
        rows, flips = [], []
        for _ in range(count):
            parts = [
                torch.randint(len(held), (half,), generator=draw) for held in (negatives, positives)
            ]
            rows.append(torch.stack(parts))
            if mirrored:
                flips.append(torch.rand(2 * half, generator=draw) < 0.5)
        self._classes = (negatives, positives)
        self._rows = torch.stack(rows).to(negatives.device)
        self._flips = torch.stack(flips).to(negatives.device) if mirrored else None

    def batch(self, index: int) -> Tensor:
        """The rows of one batch, negatives first."""
        rows = self._rows[index]
        held = [kind[own] for kind, own in zip(self._classes, rows.unbind(), strict=True)]
        inputs = torch.cat(held)
        if self._flips is None:
            return inputs
        return torch.where(self._flips[index][:, None, None, None], inputs.flip(-1), inputs)


@torch.no_grad()
def _settle(net: nn.Module, batches: list[Tensor]) -> None:
    """Measure running statistics anew: after few steps their average lags behind the weights."""
    norms = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    for inputs in batches:
        net(inputs)


@torch.no_grad()
def logits(net: nn.Module, inputs: Tensor, batch: int = 16) -> Tensor:
    """(F,) logits of (F, C, h, w), in pieces; `net` in eval mode."""
    if len(inputs) == 0:
        return torch.zeros(0)
    return torch.cat([net(piece)[:, 0] for piece in torch.split(inputs, batch)]).cpu()
