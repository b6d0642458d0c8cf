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
    draw = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    half = batch // 2
    labels = torch.cat([torch.zeros(half), torch.ones(half)]).to(negatives.device)
    net.train()
    for _ in range(steps):
        inputs = _batch(negatives, positives, half, draw, mirrored=mirrored)
        loss = F.binary_cross_entropy_with_logits(net(inputs)[:, 0], labels)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    _settle(net, [_batch(negatives, positives, half, draw, mirrored=mirrored) for _ in range(8)])
    net.eval()


def _batch(
    negatives: Tensor, positives: Tensor, half: int, draw: torch.Generator, *, mirrored: bool
) -> Tensor:
    """`half` rows of either class, some of them mirrored."""
    rows = [
        held[torch.randint(len(held), (half,), generator=draw)] for held in (negatives, positives)
    ]
    inputs = torch.cat(rows)
    if not mirrored:
        return inputs
    flip = torch.rand(len(inputs), generator=draw).to(inputs.device) < 0.5
    return torch.where(flip[:, None, None, None], inputs.flip(-1), inputs)


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
