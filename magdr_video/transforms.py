"""The bank of transforms (Rec-Net's categories), batched on the device.

Every transform maps images (F, 3, S, S) in [0, 1] to the same shape and range, deterministically.
kornia, Pillow and torchvision do the work where they have it; non-local means and total variation
are our own, since no library runs them batched on a device, and are tested against scikit-image.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from magdr_video.types import TransformChoice

Transform = Callable[..., Tensor]


def estimate_noise(images: Tensor) -> Tensor:
    """Standard deviation of the noise of each image, (F,), in units of [0, 1].

    Donoho's estimate: median absolute deviation of the finest diagonal Haar coefficients of the
    luma, divided by 0.6745.
    """
    luma = images.mean(dim=1)
    even = luma[:, : luma.shape[1] // 2 * 2, : luma.shape[2] // 2 * 2]
    a, b = even[:, ::2, ::2], even[:, ::2, 1::2]
    c, d = even[:, 1::2, ::2], even[:, 1::2, 1::2]
    diagonal = (a - b - c + d) / 2
    # The luma of independent channels has noise reduced by sqrt(3).
    return diagonal.abs().flatten(1).median(dim=1).values / 0.6745 * math.sqrt(3)


def identity(images: Tensor) -> Tensor:
    """The images as they are; part of every layer, so that no choice can do harm."""
    return images


def _kernel(sigma: float, device: torch.device, dtype: torch.dtype) -> Tensor:
    reach = max(1, math.ceil(3 * sigma))
    x = torch.arange(-reach, reach + 1, device=device, dtype=dtype)
    weights = torch.exp(-(x**2) / (2 * sigma**2))
    return weights / weights.sum()


def gaussian(images: Tensor, *, sigma: float) -> Tensor:
    """Gaussian blur, sigma in pixels, reflected borders."""
    weights = _kernel(sigma, images.device, images.dtype)
    reach, channels = len(weights) // 2, images.shape[1]
    row = weights[None, None, None].expand(channels, 1, 1, -1)
    out = F.pad(images, (reach,) * 4, mode="reflect")
    out = F.conv2d(out, row, groups=channels)
    return F.conv2d(out, row.transpose(2, 3), groups=channels)


def median(images: Tensor, *, size: float) -> Tensor:
    """Median over size x size pixels (kornia), reflected borders."""
    from kornia.filters import median_blur

    reach = int(size) // 2
    # kornia pads with zeros by default, which turns the corners black.
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    out: Tensor = median_blur(padded, int(size))[..., reach:-reach, reach:-reach]
    return out


def bilateral(images: Tensor, *, colour: float, space: float) -> Tensor:
    """Bilateral filter over 5 x 5 pixels (kornia)."""
    from kornia.filters import bilateral_blur

    out: Tensor = bilateral_blur(images, 5, colour, (space, space))
    return out


def guided(images: Tensor, *, eps: float) -> Tensor:
    """Self-guided filter over 5 x 5 pixels (kornia)."""
    from kornia.filters import guided_blur

    out: Tensor = guided_blur(images, images, 5, eps)
    return out.clamp(0, 1)


def _box(values: Tensor, size: int) -> Tensor:
    reach = size // 2
    return F.avg_pool2d(F.pad(values, (reach,) * 4, mode="reflect"), size, stride=1)


def non_local_means(images: Tensor, *, strength: float, patch: int = 5, reach: int = 5) -> Tensor:
    """Non-local means (Buades et al. 2005) with h = strength x the estimated noise.

    Weights exp(-max(d - 2 s^2, 0) / h^2) with d the mean squared patch difference, as
    scikit-image's fast mode has it; uniform patches of `patch`, search +-`reach` pixels.
    """
    sigma = estimate_noise(images).clamp(min=1e-4)[:, None, None, None]
    variance, h2 = sigma**2, (strength * sigma) ** 2
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    height, width = images.shape[-2:]
    total = torch.zeros_like(images)
    weight_sum = torch.zeros_like(images[:, :1])
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            shifted = padded[..., dy : dy + height, dx : dx + width]
            apart = _box((images - shifted).square().mean(dim=1, keepdim=True), patch)
            weight = torch.exp(-(apart - 2 * variance).clamp(min=0) / h2)
            total += weight * shifted
            weight_sum += weight
    return total / weight_sum


def _gradient(u: Tensor) -> tuple[Tensor, Tensor]:
    return (
        F.pad(u[..., 1:, :] - u[..., :-1, :], (0, 0, 0, 1)),
        F.pad(u[..., :, 1:] - u[..., :, :-1], (0, 1)),
    )


def total_variation(images: Tensor, *, weight: float, steps: int = 50) -> Tensor:
    """Total-variation denoising by Chambolle's projection (2004), channels apart."""
    py = torch.zeros_like(images)
    px = torch.zeros_like(images)
    tau = 0.25
    out = images
    for _ in range(steps):
        divergence = py + px
        divergence[..., 1:, :] -= py[..., :-1, :]
        divergence[..., :, 1:] -= px[..., :, :-1]
        out = images + divergence * weight
        gy, gx = _gradient(out)
        norm = 1 + tau / weight * torch.sqrt(gy**2 + gx**2)
        py = (py + tau / weight * gy) / norm
        px = (px + tau / weight * gx) / norm
    return out.clamp(0, 1)


def jpeg(images: Tensor, *, quality: float) -> Tensor:
    """A real JPEG round trip (Pillow, 4:2:0)."""
    levels = (images.detach().clamp(0, 1) * 255).round().to(torch.uint8)
    decoded = []
    for picture in levels.permute(0, 2, 3, 1).cpu().numpy():
        held = io.BytesIO()
        Image.fromarray(picture).save(held, "JPEG", quality=int(quality))
        decoded.append(np.asarray(Image.open(held)))
    if not decoded:
        return images
    stacked = torch.from_numpy(np.stack(decoded)).to(images.device)
    return stacked.permute(0, 3, 1, 2).to(images.dtype) / 255


def bit_depth(images: Tensor, *, bits: float) -> Tensor:
    """Quantise to 2^bits levels."""
    levels = 2 ** int(bits) - 1
    out: Tensor = (images * levels).round() / levels
    return out


def down_up(images: Tensor, *, scale: float) -> Tensor:
    """Shrink by `scale` with antialiasing and enlarge again, bicubic."""
    size = images.shape[-2:]
    small = [max(1, round(side * scale)) for side in size]
    kept = F.interpolate(images, small, mode="bicubic", antialias=True, align_corners=False)
    return F.interpolate(kept, size, mode="bicubic", align_corners=False).clamp(0, 1)


def shift_average(images: Tensor, *, pixels: float) -> Tensor:
    """Mean of the four copies shifted by +-`pixels` diagonally (bilinear), borders replicated."""
    height, width = images.shape[-2:]
    reach = math.ceil(pixels)
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    out = torch.zeros_like(images)
    for sy in (-pixels, pixels):
        for sx in (-pixels, pixels):
            out += _sample_shifted(padded, reach + sy, reach + sx, height, width)
    return out / 4


def _sample_shifted(padded: Tensor, top: float, left: float, height: int, width: int) -> Tensor:
    y, x = math.floor(top), math.floor(left)
    fy, fx = top - y, left - x
    out: Tensor = torch.zeros_like(padded[..., :height, :width])
    for dy, wy in ((0, 1 - fy), (1, fy)):
        for dx, wx in ((0, 1 - fx), (1, fx)):
            if wy * wx > 0:
                rows = padded[..., y + dy : y + dy + height, x + dx : x + dx + width]
                out += wy * wx * rows
    return out


def unsharp(images: Tensor, *, amount: float) -> Tensor:
    """Unsharp mask, sigma 1."""
    return (images + amount * (images - gaussian(images, sigma=1.0))).clamp(0, 1)


BANK: Mapping[str, tuple[Transform, tuple[Mapping[str, float], ...]]] = {
    "identity": (identity, ({},)),
    "gaussian": (gaussian, tuple({"sigma": s} for s in (0.5, 0.7, 1.0, 1.5))),
    "median": (median, tuple({"size": s} for s in (3, 5))),
    "bilateral": (
        bilateral,
        tuple({"colour": c, "space": s} for c, s in ((0.05, 1.0), (0.1, 1.5), (0.2, 1.5))),
    ),
    "guided": (guided, tuple({"eps": e} for e in (1e-3, 3e-3, 1e-2))),
    "nlm": (non_local_means, tuple({"strength": h} for h in (0.6, 0.8, 1.0, 1.2))),
    "tv": (total_variation, tuple({"weight": w} for w in (0.02, 0.03, 0.05, 0.1))),
    "jpeg": (jpeg, tuple({"quality": q} for q in (85, 75, 50))),
    "bit_depth": (bit_depth, tuple({"bits": b} for b in (6, 5))),
    "down_up": (down_up, tuple({"scale": s} for s in (0.75, 0.5))),
    "shift_average": (shift_average, ({"pixels": 0.5},)),
    "unsharp": (unsharp, tuple({"amount": a} for a in (0.2, 0.4))),
}
"""Each category: its function and its parameter grid (METHOD 6.2)."""

LAYERS: Sequence[Sequence[str]] = (
    ("identity", "gaussian", "median", "bilateral", "guided", "nlm", "tv"),
    ("identity", "jpeg", "bit_depth"),
    ("identity", "down_up", "shift_average"),
    ("identity", "unsharp"),
)
"""Denoise, compress, resample, restore: the layers B_i of Algorithm 1, in order."""


def apply_transform(images: Tensor, choice: TransformChoice) -> Tensor:
    """Apply one transform of the bank.

    Raises:
        KeyError: the category is not in the bank.
    """
    function, _ = BANK[choice.category]
    with torch.no_grad():
        return function(images, **dict(choice.parameters))


def apply_chain(images: Tensor, chain: Sequence[TransformChoice]) -> Tensor:
    """Apply the transforms of a recipe in order."""
    for choice in chain:
        images = apply_transform(images, choice)
    return images


def parse_chain(text: str) -> tuple[TransformChoice, ...]:
    """Read a chain as the tables write it: 'nlm(strength=0.8) > jpeg(quality=75)'.

    Raises:
        ValueError: malformed text or an unknown category.
    """
    chain = []
    for part in filter(None, (piece.strip() for piece in text.split(">"))):
        category, _, rest = part.partition("(")
        if category not in BANK:
            raise ValueError(f"'{category}' is not a transform; allowed: {', '.join(BANK)}")
        pairs = filter(None, (pair.strip() for pair in rest.rstrip(")").split(",")))
        parameters = tuple((name, float(value)) for name, value in (p.split("=") for p in pairs))
        chain.append(TransformChoice(category, parameters))
    return tuple(chain)
