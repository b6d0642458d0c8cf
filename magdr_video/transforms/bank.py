"""The bank: every category with its parameter grid, the layers they form, and chains of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from magdr_video.transforms.compress import bit_depth, jpeg
from magdr_video.transforms.denoise import bilateral, gaussian, guided, median
from magdr_video.transforms.nonlocal_means import non_local_means
from magdr_video.transforms.resample import down_up, shift_average
from magdr_video.transforms.restore import unsharp
from magdr_video.transforms.variation import total_variation
from magdr_video.types import TransformChoice

Transform = Callable[..., Tensor]


def identity(images: Tensor) -> Tensor:
    """The images as they are; part of every layer, so that no choice can do harm."""
    return images


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
