"""Pairs of images of a face, with the flow along which one was made from the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magdr_video.training.faces_data import Array, View, recompress
from magdr_video.training.paired import from_images

CALM = 0.6
"""Share of the usual jitter: crops of clips lie within it, and motion is learnt by place."""


@dataclass(frozen=True)
class Pairs:
    """A batch of F pairs."""

    source: Tensor
    """(F, 3, S, S) in [-1, 1]."""
    target: Tensor
    """(F, 3, S, S) in [-1, 1]."""
    asked: Tensor
    """(F, C): the condition."""
    there: Tensor
    """(F, C): what the source shows, in the condition's terms; NaN where it is not known."""
    flow: Tensor
    """(F, 2, S/4, S/4): samples the target from the source, in half sides."""


@dataclass(frozen=True)
class PairArrays:
    """A batch of pairs as it is drawn; see `Pairs`."""

    sources: Array
    """(F, S, S, 3) uint8."""
    targets: Array
    """(F, S, S, 3) uint8."""
    asked: Array
    """(F, C) float32."""
    there: Array
    """(F, C) float32."""
    flows: Array
    """(F, S/4, S/4, 2) float32."""

    def tensors(self, device: torch.device | str = "cpu") -> Pairs:
        """The batch as the network takes it."""
        return Pairs(
            from_images(self.sources).to(device),
            from_images(self.targets).to(device),
            torch.from_numpy(self.asked).to(device),
            torch.from_numpy(self.there).to(device),
            torch.from_numpy(self.flows).permute(0, 3, 1, 2).to(device),
        )


def seen_pair(
    source: Array, target: Array, flow: Array, view: View, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """A pair and its flow under one view; three in ten sources are JPEGs, and so their targets."""
    near, far = view.of(source), view.of(target)
    if rng.random() < 0.3:
        packed = recompress(near, rng)
        change = packed.astype(np.int16) - near
        near, far = packed, (far + change).clip(0, 255).astype(np.uint8)
    return near, far, view.of_flow(flow, source.shape[0])
