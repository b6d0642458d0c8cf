"""The learned residual purifier (METHOD 6.5): what an attack has added to a face.

A small two-scale network of our own. It works at half resolution (pixel unshuffle), where the four
phases of a pixel-fine perturbation are four channels, so that nothing is lost and most of the cost
is saved. It begins as a guided filter (He et al., ECCV 2010), the best single filter on sign-like
noise (METHOD 6.6), and learns where that is wrong: a weight for what the filter takes out, and what
to take out beside it. A gate read from the whole picture scales the residual: local evidence alone
cannot tell an attack from camera noise, and clean faces must come out as they went in. Beside the
deep features the gate reads what tells kinds of noise apart: how strong it is, how flat its
distribution, how even over the picture, how alike in neighbouring pixels and in the channels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MULTIPLE = 4
"""Sides are padded to a multiple of this, by reflection."""

GUIDE_EPS = 0.012
"""Of the guided filter, in [-1, 1] units: 3e-3 in [0, 1]."""

TRUST = 1.0
"""Logit of the weight that the guided filter's residual begins with: 0.73."""


def _fives(values: Tensor, axis: int) -> Tensor:
    """Sums of five successive values along an axis, which gets four shorter."""
    kept = values.shape[axis] - 4
    pairs = values.narrow(axis, 0, kept + 3) + values.narrow(axis, 1, kept + 3)
    return pairs.narrow(axis, 0, kept) + pairs.narrow(axis, 2, kept) + values.narrow(axis, 4, kept)


def _box(values: Tensor) -> Tensor:
    """Mean of 5 x 5 pixels, borders reflected; a fifth of the time of `avg_pool2d` on a CPU."""
    return _fives(_fives(F.pad(values, (2, 2, 2, 2), mode="reflect"), -2), -1) / 25


def guided_residual(faces: Tensor) -> Tensor:
    """What a self-guided filter over 5 x 5 pixels takes out of each channel, (F, C, H, W)."""
    mean = _box(faces)
    variance = (_box(faces.square()) - mean.square()).clamp(min=0)
    slope = variance / (variance + GUIDE_EPS)
    return faces - _box(slope) * faces - _box(mean - slope * mean)


STATISTICS = 10


def noise_statistics(noise: Tensor) -> Tensor:
    """What tells kinds of noise apart, (F, 10), each about 1 in size.

    Logarithm of the strength; mean magnitude over root mean square (1 for signs, 0.8 for a normal
    distribution, less for edges); the same of local strengths; correlations with neighbours at
    five offsets; correlations between the channels.

    Args:
        noise: high-pass pictures (F, 3, H, W) in [-1, 1].
    """
    power = noise.square().mean(dim=(1, 2, 3)) + 1e-7
    root = power.sqrt()
    local = (_box(noise.square()).mean(dim=1) + 1e-9).sqrt()
    shifts = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0))
    height, width = noise.shape[-2:]
    alike = [
        (noise[..., y:, x:] * noise[..., : height - y, : width - x]).mean(dim=(1, 2, 3)) / power
        for y, x in shifts
    ]
    red, green, blue = noise.unbind(dim=1)
    channels = [(one * green).mean(dim=(1, 2)) / power for one in (red, blue)]
    return torch.stack(
        [
            root.log() + 4,
            noise.abs().mean(dim=(1, 2, 3)) / root,
            local.mean(dim=(1, 2)) / root,
            *alike,
            *channels,
        ],
        dim=1,
    )


class Block(nn.Module):
    """x + conv(relu(conv(x))), as in EDSR (Lim et al. 2017): no normalisation, any size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, values: Tensor) -> Tensor:
        """(F, C, h, w) to the same."""
        out: Tensor = values + self.body(values)
        return out


class TwoScale(nn.Module):
    """Channels at half resolution, twice as many at a quarter, and back.

    Args:
        inputs: channels that come in, four for each of a picture's.
        outputs: channels of `leave`, which begin at zero.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(inputs, width, 3, padding=1)
        self.fine = Block(width)
        self.down = nn.Conv2d(width, 2 * width, 2, stride=2)
        self.deep = nn.Sequential(*(Block(2 * width) for _ in range(blocks)))
        self.up = nn.Conv2d(2 * width, 4 * width, 1)
        self.merge = Block(width)
        self.leave = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def maps(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """(F, inputs, h, w) to what `leave` reads, (F, C, h, w), and the deep maps below."""
        fine = self.fine(F.relu(self.enter(values)))
        deep = self.deep(F.relu(self.down(fine)))
        return self.merge(fine + F.pixel_shuffle(self.up(deep), 2)), deep


def padded(faces: Tensor) -> Tensor:
    """Faces (F, C, H, W) with sides that are multiples of `MULTIPLE`, by reflection."""
    height, width = faces.shape[-2:]
    # Reflection may not reach beyond the picture, which a side of 1 or 2 would ask for.
    pad = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
    mode = "reflect" if min(height, width) >= MULTIPLE else "replicate"
    return F.pad(faces, pad, mode=mode) if any(pad) else faces


class Purifier(TwoScale):
    """Faces in [-1, 1] to the perturbation they carry, in the same units.

    Args:
        width: channels at half resolution, twice as many at a quarter; 32 gives 0.3 M parameters.
        blocks: residual blocks at a quarter of the resolution.
    """

    def __init__(self, *, width: int = 32, blocks: int = 3) -> None:
        super().__init__(12, 24, width, blocks)
        self.gate = nn.Sequential(
            nn.Linear(4 * width + STATISTICS, 2 * width),
            nn.ReLU(inplace=True),
            nn.Linear(2 * width, 1),
        )
        assert self.leave.bias is not None
        with torch.no_grad():
            self.leave.bias[12:] = TRUST

    def features(self, faces: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the last layers read of faces (F, 3, H, W), H and W multiples of 4.

        Returns:
            Maps (F, C, H/2, W/2) for `leave`, facts (F, 4 C + 10) for `gate`, and what the guided
            filter takes out, (F, 3, H, W).
        """
        merged, deep = self.maps(F.pixel_unshuffle(faces, 2))
        filtered = guided_residual(faces)
        # The mean tells of all of it, the spread of what is local; both are free of the size.
        spread = (deep.var(dim=(2, 3), correction=0) + 1e-6).sqrt()
        facts = torch.cat([deep.mean(dim=(2, 3)), spread, noise_statistics(filtered)], dim=1)
        return merged, facts, filtered

    def parts(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """The ungated residual (F, 3, H, W) and the logit of the gate (F,)."""
        height, width = faces.shape[-2:]
        merged, facts, filtered = self.features(padded(faces))
        extra, weight = F.pixel_shuffle(self.leave(merged), 2).chunk(2, dim=1)
        residual = extra + torch.sigmoid(weight) * filtered
        return residual[..., :height, :width], self.gate(facts).squeeze(1)

    def forward(self, faces: Tensor) -> Tensor:
        """The perturbation (F, 3, H, W) of faces (F, 3, H, W) in [-1, 1]; subtract to purify."""
        residual, logit = self.parts(faces)
        return residual * torch.sigmoid(logit)[:, None, None, None]
