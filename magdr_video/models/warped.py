"""A compact generator that moves pixels before it paints: the form of the shipped reenact weights.

GANimation's attention (Pumarola et al., ECCV 2018, eq. 1) decides which pixels stay the input's.
Elsewhere the image is first moved along a dense flow, as in "First Order Motion Model for Image
Animation" (Siarohin et al., NeurIPS 2019), and painted over only where moving cannot give what was
asked: teeth, opened eyes, another colour. A small net learns to move skin long before it learns to
paint it, and what is moved stays as sharp as the source.

How far a brow must move depends on where it is. A small reader, trained along, tells what the face
shows already in the terms of the condition. To first order the flow is linear in what is asked and
what is there: each value brings a field of motion, the mean one of aligned faces and a correction
that the features of this face give. What is asked and what is there also scale and shift the
features of every residual block (FiLM, Perez et al., AAAI 2018): planes of constants at the input
would be cancelled by the InstanceNorm behind them. The blocks also see their place in the crop
(Liu et al., "An intriguing failing of convolutional neural networks and the CoordConv solution",
NeurIPS 2018), since crops are aligned.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magdr_video.models.au_estimator import AUEstimator
from magdr_video.models.trunk import blend_by_attention, instance_norm

FLOW_SCALE = 0.02
"""Flow, in half sides of the image, for an output of 1 of the flow head."""

MOTION_SIZE = 32
"""Side of the mean fields of motion."""

READ_SIZE = 128
"""Side of the image that the reader sees."""

STILL = 0.3
"""Pixels of motion at which the moved image takes over from the input by 1 - 1/e."""


@dataclass(frozen=True)
class Painting:
    """What the heads say of F images."""

    there: Tensor
    """(F, C): what the reader sees in the face, not clipped."""
    flow: Tensor
    """(F, 2, S/4, S/4): x, y to where a pixel is taken from, in half sides of the image."""
    moved: Tensor
    """(F, 3, S, S) in [-1, 1]: the image moved along the flow."""
    share: Tensor
    """(F, 1, S, S) in [0, 1]: how much of a pixel is painted."""
    paint: Tensor
    """(F, 3, S, S) in [-1, 1]."""

    @property
    def image(self) -> Tensor:
        """(F, 3, S, S): moved and painted."""
        return self.moved + self.share * (self.paint - self.moved)


LEAST_ROWS = 4
"""Rows below which a processor multiplies matrices in another order. A face would then come out of
a batch of one in other last bits than out of one of eight, and now and then another 8-bit level."""


def in_enough_rows(call: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`call` of rows (F, ...), filled up with copies of the last to `LEAST_ROWS`."""
    missing = LEAST_ROWS - len(rows)
    if missing <= 0 or len(rows) == 0:
        return call(rows)
    copies = rows[-1:].expand(missing, *rows.shape[1:])
    return call(torch.cat([rows, copies]))[: len(rows)]


def move(images: Tensor, flow: Tensor) -> Tensor:
    """Sample images along a flow.

    Convention: backward, moved(x) = image(x + flow(x)); (x, y) order, pixel centres,
    align_corners=False, borders replicated.

    Args:
        images: (F, 3, S, S).
        flow: (F, 2, S/4, S/4), in half sides; brought to S bilinearly.
    """
    side = images.shape[-1]
    fine = F.interpolate(flow, size=(side, side), mode="bilinear", align_corners=False)
    axis = (torch.arange(side, device=images.device, dtype=images.dtype) * 2 + 1) / side - 1
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
    where = grid + fine.permute(0, 2, 3, 1)
    return F.grid_sample(images, where, padding_mode="border", align_corners=False)


def _places(features: Tensor) -> Tensor:
    """Planes of x and y in [-1, 1] beside features (F, C, h, w): (F, 2, h, w)."""
    height, width = features.shape[-2:]
    y, x = (
        (torch.arange(n, device=features.device, dtype=features.dtype) * 2 + 1) / n - 1
        for n in (height, width)
    )
    planes = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    return planes.expand(len(features), -1, -1, -1)


class FilmBlock(nn.Module):
    """A residual block whose inner features the condition scales and shifts."""

    def __init__(self, channels: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.inner = instance_norm(channels, affine=False)
        self.film = nn.Linear(condition, 2 * channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.outer = instance_norm(channels)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(F, C, h, w) to the same."""
        told = in_enough_rows(self.film, condition)
        scale, shift = told[:, :, None, None].chunk(2, dim=1)
        inner = F.relu(self.inner(self.first(x)) * (1 + scale) + shift)
        out: Tensor = x + self.outer(self.second(inner))
        return out


def _step(inputs: int, outputs: int, size: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, (size - 1) // 2, bias=False),
        instance_norm(outputs),
        nn.ReLU(inplace=True),
    )


def _rise(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False),
        instance_norm(outputs),
        nn.ReLU(inplace=True),
    )


class WarpedGenerator(nn.Module):
    """Images in [-1, 1] and a condition in [0, 1] to images in [-1, 1].

    Args:
        width: channels at half resolution; four times as many at a quarter.
        blocks: residual blocks at a quarter of the resolution.
        condition: length of the condition; the reader tells as many values of the face.
        reader_width: channels of the reader's first convolution.
    """

    def __init__(
        self, *, width: int = 16, blocks: int = 5, condition: int = 17, reader_width: int = 16
    ) -> None:
        super().__init__()
        self.condition_size = condition
        self.reader = AUEstimator(width=reader_width, outputs=condition)
        self.stem = _step(3, width, 6, 2)
        self.down = _step(width, 4 * width, 4, 2)
        self.place = nn.Conv2d(4 * width + 2, 4 * width, 3, padding=1)
        self.blocks = nn.ModuleList(FilmBlock(4 * width, 2 * condition) for _ in range(blocks))
        self.motion = nn.Parameter(torch.zeros(2 * (2 * condition + 1), MOTION_SIZE, MOTION_SIZE))
        self.bend = nn.Conv2d(4 * width, 2 * (2 * condition + 1), 3, padding=1)
        self.flow = nn.Conv2d(4 * width, 2, 3, padding=1)
        self.rise = _rise(4 * width, width)
        self.last = _rise(2 * width, width)
        self.brush = nn.Sequential(
            nn.Conv2d(width + 3, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, 4, 3, padding=1),
        )
        self._begin_at_the_identity()

    def _begin_at_the_identity(self) -> None:
        """No motion and next to no paint: training starts from the input."""
        for head in (self.bend, self.flow, self.brush[-1]):
            assert isinstance(head, nn.Conv2d) and head.bias is not None
            nn.init.normal_(head.weight, std=1e-3)
            nn.init.zeros_(head.bias)
        assert isinstance(self.brush[-1].bias, Tensor)
        self.brush[-1].bias.data[3] = -2.0

    def read(self, images: Tensor) -> Tensor:
        """What the faces (F, 3, S, S) in [-1, 1] show already, (F, C), not clipped."""
        small = F.interpolate(
            images, size=(READ_SIZE, READ_SIZE), mode="bilinear", align_corners=False
        )
        return in_enough_rows(self.reader.logits, small)

    def _encoded(self, images: Tensor, told: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features: at half of the resolution, at a quarter before and after the blocks."""
        early = self.stem(images)
        features = self.down(early)
        before = features + F.relu(self.place(torch.cat([features, _places(features)], dim=1)))
        after = before
        for block in self.blocks:
            after = block(after, told)
        return early, before, after

    def _fields(self, before: Tensor) -> Tensor:
        """A field of motion for 1 and each value told, (F, 1 + 2 C, 2, h, w), unscaled."""
        height, width = before.shape[-2:]
        mean = F.interpolate(
            self.motion[None], size=(height, width), mode="bilinear", align_corners=False
        )
        fields: Tensor = mean + self.bend(before)
        return fields.reshape(len(before), -1, 2, height, width)

    def _told(self, condition: Tensor, there: Tensor) -> Tensor:
        """What is asked and what is there, (F, 2 C)."""
        return torch.cat([condition.to(there.dtype), there.clamp(0, 1)], dim=1)

    def painting(self, images: Tensor, condition: Tensor) -> Painting:
        """Flow and paint for images (F, 3, S, S) under conditions (F, C)."""
        there = self.read(images)
        told = self._told(condition, there)
        early, before, after = self._encoded(images, told)
        amounts = torch.cat([torch.ones_like(told[:, :1]), told], dim=1)
        linear = torch.einsum("fk,fkchw->fchw", amounts, self._fields(before))
        flow = FLOW_SCALE * (linear + self.flow(after))
        moved = move(images, flow)
        risen = self.last(torch.cat([self.rise(after), early], dim=1))
        brush = self.brush(torch.cat([risen, moved], dim=1))
        # The brush changes the moved pixel: in its own tone, which no norm has taken away.
        paint = torch.clamp(moved + 2 * torch.tanh(brush[:, :3] / 4), -1, 1)
        return Painting(there, flow, moved, torch.sigmoid(brush[:, 3:]), paint)

    def painting_with_attention(self, images: Tensor, condition: Tensor) -> tuple[Painting, Tensor]:
        """The painting, and GANimation's attention (F, 1, S, S) in [0, 1].

        Attention is 1 where nothing is moved or painted, so that such pixels are not resampled.
        """
        painting = self.painting(images, condition)
        side = images.shape[-1]
        pixels = painting.flow.square().sum(dim=1, keepdim=True) * (side / 2 / STILL) ** 2
        still = F.interpolate(
            torch.exp(-pixels), size=(side, side), mode="bilinear", align_corners=False
        )
        return painting, still * (1 - painting.share)

    def heads(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Attention (F, 1, S, S) in [0, 1] and colour (F, 3, S, S) in [-1, 1] of GANimation's
        eq. 1; the colour is the image moved and painted."""
        painting, attention = self.painting_with_attention(images, condition)
        return attention, painting.image

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under conditions (F, C)."""
        attention, colour = self.heads(images, condition)
        return blend_by_attention(images, attention, colour)

    def features(self, images: Tensor, condition: Tensor) -> Tensor:
        """Output of the last residual block, (F, 4 width, S/4, S/4): Phi of METHOD 5.1."""
        _, _, after = self._encoded(images, self._told(condition, self.read(images)))
        return after
