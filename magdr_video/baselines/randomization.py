"""Random resizing and padding, inverted (Xie et al., ICLR 2018; column 'Xie' of table 2).

The paper resizes a 299 px image to a random size in [310, 331), nearest neighbour, pads it to 331
at a random place and averages 30 such draws, some of them mirrored. For an image-to-image network
each draw must be undone (mirror, crop, resize back), or the result lies elsewhere than the
reference and every output metric is meaningless.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.baselines.protocol import Generate, Parameter

PAPER_SIZE, PAPER_LEAST, PAPER_FULL = 299, 310, 331


@dataclass(frozen=True)
class Draw:
    """One placement of the image in its frame; pixels."""

    size: int
    """Side after resizing."""
    full: int
    """Side after padding."""
    top: int
    left: int
    mirrored: bool

    def apply(self, images: Tensor, padding: float) -> Tensor:
        """(F, C, S, S) to (F, C, full, full)."""
        resized = F.interpolate(images, (self.size, self.size), mode="nearest-exact")
        right, bottom = self.full - self.size - self.left, self.full - self.size - self.top
        placed = F.pad(resized, (self.left, right, self.top, bottom), value=padding)
        return placed.flip(-1) if self.mirrored else placed

    def undo(self, images: Tensor, size: int) -> Tensor:
        """(F, C, full, full) to (F, C, size, size): mirror back, crop, resize with antialiasing."""
        upright = images.flip(-1) if self.mirrored else images
        rows = slice(self.top, self.top + self.size)
        kept = upright[..., rows, self.left : self.left + self.size]
        back = F.interpolate(kept, (size, size), mode="bilinear", antialias=True)
        return back


@dataclass
class Randomization:
    """Mean over seeded draws of the inverted outputs; the same draws for every face."""

    draws: int = 30
    padding: float = 0.5
    """Zero of the networks' range [-1, 1], in [0, 1]."""
    seed: int = 1234
    name = "randomization"
    paper = "Xie et al., ICLR 2018"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Those of the paper; sizes follow the crop."""
        ratio = f"[{PAPER_LEAST}, {PAPER_FULL}) / {PAPER_SIZE}"
        return {"draws": self.draws, "size": ratio, "padding": self.padding, "seed": self.seed}

    def placements(self, size: int) -> list[Draw]:
        """The draws for crops of `size`: at 128 sizes of 133 to 141 in a frame of 144.

        The frame of the paper would be 142; the generators need a multiple of 4.
        """
        least = -(-size * PAPER_LEAST // PAPER_SIZE)
        beyond = round(size * PAPER_FULL / PAPER_SIZE)
        full = -(-beyond // 4) * 4
        generator = torch.Generator().manual_seed(self.seed)

        def draw(low: int, high: int) -> int:
            return int(torch.randint(low, high, (1,), generator=generator))

        placements = []
        for _ in range(self.draws):
            side = draw(least, beyond)
            top, left = draw(0, full - side + 1), draw(0, full - side + 1)
            placements.append(Draw(side, full, top, left, bool(draw(0, 2))))
        return placements

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Mean of the draws, each undone at once: what the input metrics are measured on."""
        total = torch.zeros_like(crops)
        for place in self.placements(crops.shape[-1]):
            total += place.undo(place.apply(crops, self.padding), crops.shape[-1])
        return total / self.draws

    def translate(self, generate: Generate, crops: Tensor, condition: Tensor) -> Tensor:
        """Mean of the draws, each undone behind the generator: the paper averages predictions."""
        total = torch.zeros_like(crops)
        for place in self.placements(crops.shape[-1]):
            output = generate(place.apply(crops, self.padding), condition)
            total += place.undo(output, crops.shape[-1])
        return total / self.draws
