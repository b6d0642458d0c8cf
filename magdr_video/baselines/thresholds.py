"""Thresholds from clean faces."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def clean_threshold(scores: Tensor, rate: float = 0.01) -> float:
    """The smallest score that at most `rate` of the clean faces exceed.

    Args:
        scores: (F,) of clean validation faces; F at least 1.
        rate: allowed share of false positives. With fewer than 1/rate faces it is the largest
            score, which bounds the rate no better than 1/F.

    Raises:
        ValueError: there are no scores.
    """
    if len(scores) == 0:
        raise ValueError("a threshold needs at least one clean score")
    allowed = math.floor(rate * len(scores) + 1e-9)
    return float(torch.sort(scores, descending=True).values[allowed])
