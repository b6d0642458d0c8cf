"""The auto-encoders of MagNet (Meng and Chen, CCS 2017) and how they are trained.

AE I and AE II are those of the paper: 3 x 3 convolutions of three channels with sigmoids, AE I
with one average pooling between. The reformer for faces is a deeper one, since three channels
cannot carry a colour picture at half its size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVITY_WEIGHT = 1e-9
"""Of the paper's L2 penalty on the activations of each convolution."""


def _same(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def autoencoder_one() -> nn.Sequential:
    """AE I: convolution, average pooling, two convolutions, enlargement, convolution, output."""
    return nn.Sequential(
        _same(3, 3),
        nn.Sigmoid(),
        nn.AvgPool2d(2),
        _same(3, 3),
        nn.Sigmoid(),
        _same(3, 3),
        nn.Sigmoid(),
        nn.Upsample(scale_factor=2),
        _same(3, 3),
        nn.Sigmoid(),
        _same(3, 3),
        nn.Sigmoid(),
    )


def autoencoder_two() -> nn.Sequential:
    """AE II: two convolutions and the output, all at full size."""
    return nn.Sequential(
        _same(3, 3), nn.Sigmoid(), _same(3, 3), nn.Sigmoid(), _same(3, 3), nn.Sigmoid()
    )


def face_autoencoder(width: int) -> nn.Sequential:
    """The reformer's: a quarter of the places, 2 x `width` channels in its middle."""
    return nn.Sequential(
        _same(3, width),
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.ReLU(),
        _same(2 * width, 2 * width),
        nn.ReLU(),
        _same(2 * width, 2 * width),
        nn.ReLU(),
        nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
        nn.ReLU(),
        _same(width, 3),
    )


def begin(net: nn.Sequential, seed: int) -> None:
    """Initial weights: Glorot-uniform, but nearly the identity.

    Three sigmoids of three channels with random weights give nearly the same grey for every
    picture, and leave it only after the tens of thousands of batches that the paper trains for.
    Started where each layer passes its picture on (slope 1/2 each, the last makes up for them),
    they are there in a thousand.
    """
    draw = torch.Generator().manual_seed(seed)
    layers = [layer for layer in net if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    narrow = all(layer.out_channels == 3 for layer in layers)
    for place, layer in enumerate(layers, 1):
        weight = nn.init.xavier_uniform_(torch.empty(layer.weight.shape), generator=draw)
        bias = torch.zeros(layer.out_channels)
        if narrow:
            weight *= 0.1
            weight[range(3), range(3), 1, 1] += 2.0 if place < len(layers) else 2.0 ** (place + 1)
            bias -= weight.sum(dim=(1, 2, 3)) / 2
        assert layer.bias is not None
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    if not narrow:
        begin_by_carrying(net)


@torch.no_grad()
def begin_by_carrying(net: nn.Sequential) -> None:
    """Let the reformer's first channels carry the picture unchanged; the others stay as they are.

    Four places of three colours become twelve channels at half the size and return, so that the
    training begins at the identity and has the noise to learn, not the face.
    """
    first, down, *middle, up, last = (
        layer for layer in net if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    )
    for layer, count in ((first, 3), *((layer, 12) for layer in middle), (last, 3)):
        layer.weight[:count] = 0
        layer.weight[range(count), range(count), 1, 1] = 1
    down.weight[:12] = 0
    up.weight[:, :3] = 0
    for channel in range(3):
        for y in range(2):
            for x in range(2):
                place = 4 * channel + 2 * y + x
                down.weight[place, channel, 1 + y, 1 + x] = 1
                up.weight[place, channel, 1 + y, 1 + x] = 1


@dataclass(frozen=True)
class AutoencoderRecipe:
    """How an auto-encoder is trained on patches of faces."""

    steps: int
    batch: int
    patch: int = 64
    rate: float = 1e-3
    noise: tuple[float, float] = (0.1, 0.1)
    """Range of the deviation of the Gaussian noise on its input, in [0, 1]."""
    seed: int = 1234


def patches(faces: Tensor, count: int, side: int, draw: torch.Generator) -> Tensor:
    """Random squares of random faces, half of them mirrored, (count, 3, side, side)."""
    height, width = faces.shape[-2:]
    out = []
    for _ in range(count):
        index, top, left, flip = (
            int(torch.randint(limit, (1,), generator=draw))
            for limit in (len(faces), height - side + 1, width - side + 1, 2)
        )
        square = faces[index, :, top : top + side, left : left + side]
        out.append(square.flip(-1) if flip else square)
    return torch.stack(out)


def fit_autoencoder(net: nn.Sequential, faces: Tensor, recipe: AutoencoderRecipe) -> None:
    """Teach `net` in place to remove noise: Adam on the squared error; leaves it in eval.

    Args:
        faces: (E, 3, T, T) clean, T at least the recipe's patch.
    """
    draw = torch.Generator().manual_seed(recipe.seed)
    begin(net, recipe.seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    low, high = recipe.noise
    net.train()
    for _ in range(recipe.steps):
        wanted = patches(faces, recipe.batch, min(recipe.patch, faces.shape[-1]), draw)
        strength = low + (high - low) * torch.rand(recipe.batch, 1, 1, 1, generator=draw)
        grain = torch.randn(wanted.shape, generator=draw) * strength
        out = (wanted + grain.to(wanted)).clamp(0, 1)
        activity = out.new_zeros(())
        for layer in net:
            out = layer(out)
            if isinstance(layer, nn.Sigmoid):
                activity = activity + out.square().sum() / len(out)
        loss = F.mse_loss(out, wanted) + ACTIVITY_WEIGHT * activity
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    net.eval()


@torch.no_grad()
def reform(net: nn.Module, crops: Tensor, batch: int = 16) -> Tensor:
    """Crops (F, 3, S, S) through an auto-encoder, in [0, 1]."""
    if len(crops) == 0:
        return crops
    net.to(crops.device)
    return torch.cat([net(piece) for piece in torch.split(crops, batch)]).clamp(0, 1)
