"""The bank: every category with its parameter grid, the layers they form, and chains of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from magdr_video.transforms.chroma import chroma_gaussian, chroma_guided
from magdr_video.transforms.compress import bit_depth, jpeg, jpeg_surrogate, low_rank, webp
from magdr_video.transforms.denoise import bilateral, gaussian, guided, median
from magdr_video.transforms.nonlocal_means import non_local_means
from magdr_video.transforms.purify import purify
from magdr_video.transforms.resample import (
    down_up,
    down_up_lanczos,
    random_resize,
    shift_average,
)
from magdr_video.transforms.restore import unsharp, wiener
from magdr_video.transforms.super_resolution import find_weights, super_resolution
from magdr_video.transforms.variation import total_variation
from magdr_video.transforms.wavelet import wavelet_haar, wavelet_sym4
from magdr_video.types import TransformChoice

Transform = Callable[..., Tensor]
Grid = tuple[Mapping[str, float], ...]


def identity(images: Tensor) -> Tensor:
    """The images as they are; part of every layer, so that no choice can do harm."""
    return images


def _identity_of(images: Tensor, **_: float) -> Tensor:
    return images


class Category(NamedTuple):
    """One category of the bank."""

    function: Transform
    """(images, **parameters) to images."""
    grid: Grid
    """The settings that Rec-Net tries (METHOD 6.2)."""
    surrogate: Transform | None = None
    """What is differentiated in place of a function without a useful gradient; None where the
    function's own is right (almost everywhere: medians and thresholds have kinks)."""
    seeded: bool = False
    """True where the function also takes the seed of its draws."""


def _grid(name: str, *values: float) -> Grid:
    return tuple({name: value} for value in values)


BANK: Mapping[str, Category] = {
    "identity": Category(identity, ({},)),
    "gaussian": Category(gaussian, _grid("sigma", 0.5, 0.7, 1.0, 1.5)),
    "median": Category(median, _grid("size", 3, 5)),
    "bilateral": Category(
        bilateral,
        tuple(
            {"colour": c, "space": s} for c, s in ((0.05, 1.0), (0.1, 1.5), (0.1, 3.0), (0.2, 1.5))
        ),
    ),
    "guided": Category(guided, _grid("eps", 1e-3, 3e-3, 1e-2, 3e-2)),
    "nlm": Category(non_local_means, _grid("strength", 0.6, 0.8, 1.0, 1.2)),
    "tv": Category(total_variation, _grid("weight", 0.02, 0.03, 0.05, 0.1)),
    "wavelet_haar": Category(wavelet_haar, _grid("noise", 0, 0.01, 0.023, 0.04)),
    "wavelet_sym4": Category(wavelet_sym4, _grid("noise", 0, 0.01, 0.023, 0.04)),
    "chroma_gaussian": Category(chroma_gaussian, _grid("sigma", 1, 2, 4)),
    "chroma_guided": Category(chroma_guided, _grid("eps", 1e-2)),
    "purifier": Category(
        purify,
        tuple(
            {"strength": strength, "gate": gate}
            for strength, gate in ((0.75, 1), (1.0, 1), (0.75, 0), (1.0, 0), (1.25, 0))
        ),
    ),
    "jpeg": Category(jpeg, _grid("quality", 95, 85, 75, 50), jpeg_surrogate),
    # Both are block transforms with quantised coefficients; kornia has no WebP.
    "webp": Category(webp, _grid("quality", 95, 85, 75, 50), jpeg_surrogate),
    "bit_depth": Category(bit_depth, _grid("bits", 7, 6, 5), _identity_of),
    "low_rank": Category(low_rank, _grid("energy", 0.95, 0.9, 0.8), low_rank),
    "down_up": Category(down_up, _grid("scale", 0.75, 0.5)),
    "down_up_lanczos": Category(down_up_lanczos, _grid("scale", 0.75, 0.5)),
    "random_resize": Category(random_resize, _grid("draws", 1, 4), seeded=True),
    "shift_average": Category(
        shift_average, tuple({"pixels": 0.5, "shifts": shifts} for shifts in (4, 8))
    ),
    "unsharp": Category(unsharp, _grid("amount", 0.2, 0.4, 0.7)),
    "wiener": Category(wiener, _grid("noise", 0.01, 0.03, 0.1)),
    "super_resolution": Category(super_resolution, ({},)),
}
"""Each category with its parameter grid (METHOD 6.2), and how attackers differentiate it."""

LAYERS: Sequence[Sequence[str]] = (
    (
        "identity", "gaussian", "median", "bilateral", "guided", "nlm", "tv",
        "wavelet_haar", "wavelet_sym4", "chroma_gaussian", "chroma_guided", "purifier",
    ),
    ("identity", "jpeg", "webp", "bit_depth", "low_rank"),
    ("identity", "down_up", "down_up_lanczos", "random_resize", "shift_average"),
    ("identity", "unsharp", "wiener"),
)  # fmt: skip
"""Denoise, compress, resample, restore: the layers B_i of Algorithm 1, in order."""


def available_layers() -> tuple[tuple[str, ...], ...]:
    """`LAYERS`, and super-resolution in the last one where the user has put weights for it."""
    layers = [tuple(layer) for layer in LAYERS]
    if find_weights() is not None:
        layers[-1] = (*layers[-1], "super_resolution")
    return tuple(layers)


def _arguments(choice: TransformChoice, category: Category) -> dict[str, float]:
    arguments = dict(choice.parameters)
    if category.seeded:
        arguments["seed"] = choice.seed
    return arguments


def apply_transform(images: Tensor, choice: TransformChoice) -> Tensor:
    """Apply one transform of the bank; no gradients.

    Raises:
        KeyError: the category is not in the bank.
    """
    category = BANK[choice.category]
    with torch.no_grad():
        return category.function(images, **_arguments(choice, category))


def apply_chain(images: Tensor, chain: Sequence[TransformChoice]) -> Tensor:
    """Apply the transforms of a recipe in order; no gradients."""
    for choice in chain:
        images = apply_transform(images, choice)
    return images


def differentiable_chain(images: Tensor, chain: Sequence[TransformChoice]) -> Tensor:
    """The same images as `apply_chain`, with gradients: exact, or by the categories' surrogates.

    Backward pass differentiable approximation (BPDA; Athalye et al., ICML 2018), for attacks that
    know the defence.
    """
    for choice in chain:
        category = BANK[choice.category]
        arguments = _arguments(choice, category)
        if category.surrogate is None:
            images = category.function(images, **arguments)
            continue
        real = apply_transform(images, choice)
        nearly = category.surrogate(images, **arguments)
        images = real + (nearly - nearly.detach())
    return images


def parse_chain(text: str) -> tuple[TransformChoice, ...]:
    """Read a chain as the tables write it: 'nlm(strength=0.8) > jpeg(quality=75)'.

    Raises:
        ValueError: malformed text or an unknown category.
    """
    return tuple(_parse(part) for part in map(str.strip, text.split(">")) if part)


def _parse(text: str) -> TransformChoice:
    category, _, rest = text.partition("(")
    if category not in BANK:
        raise ValueError(f"'{category}' is not a transform; allowed: {', '.join(BANK)}")
    pairs = filter(None, (pair.strip() for pair in rest.rstrip(")").split(",")))
    values = {name: float(value) for name, value in (pair.split("=") for pair in pairs)}
    seed = int(values.pop("seed", 0))
    return TransformChoice(category, tuple(values.items()), seed)
