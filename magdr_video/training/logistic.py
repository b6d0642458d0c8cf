"""Multinomial logistic regression with a ridge, by L-BFGS; too small to need a library."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def fit_logistic(
    values: Tensor, classes: Tensor, *, ridge: float = 1e-3, steps: int = 300
) -> tuple[Tensor, Tensor]:
    """Weights (classes, Q) and biases (classes,) of the log odds of each class.

    Minimises the mean cross-entropy, every class counted alike whatever its size, plus `ridge`
    times the squared weights of the standardised columns. A column without spread weighs nothing.

    Args:
        values: (N, Q) finite.
        classes: (N,) integers from 0, none of them absent.

    Raises:
        ValueError: fewer than two classes, or one of them is absent.
    """
    counts = torch.bincount(classes)
    if len(counts) < 2 or bool((counts == 0).any()):
        raise ValueError(f"a logistic regression needs faces of every class, given {counts}")
    x = values.double()
    mean, spread = x.mean(0), x.std(0)
    flat = spread < 1e-9
    scale = (1 / spread).masked_fill(flat, 0.0)
    scaled = (x - mean) * scale
    share = (1 / counts.double())[classes] / len(counts)
    held = torch.zeros(len(counts), x.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [held], max_iter=steps, tolerance_grad=1e-9, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        logits = scaled @ held[:, :-1].T + held[:, -1]
        loss = (F.cross_entropy(logits, classes, reduction="none") * share).sum()
        loss = loss + ridge * held[:, :-1].square().sum()
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    found = held.detach()
    weights = found[:, :-1] * scale
    return weights.float(), (found[:, -1] - weights @ mean).float()
