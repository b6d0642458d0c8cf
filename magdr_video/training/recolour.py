"""Hair recoloured in Lab inside a soft mask: the supervision of the `edit` generator.

The mean colour of the hair is moved to that of a class and its texture is kept; after Reinhard
et al., "Color Transfer between Images", 2001, with the spread bounded instead of matched.
Lab values are CIE: L in 0..100, a and b about -128..127.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from magdr_video.training.faces_data import Array


@dataclass(frozen=True)
class HairColour:
    """Statistics of a class of hair colour.

    Attributes:
        mean: (L, a, b) of the class.
        reach: how far (L, a, b) of a head may lie from `mean` and still be of the class; hair
            within it is left as it is.
        spread: the typical standard deviation of L within a head.
    """

    mean: tuple[float, float, float]
    reach: tuple[float, float, float]
    spread: float


HAIR_COLOURS = {
    "Black_Hair": HairColour(mean=(10.0, 2.5, 3.0), reach=(3.0, 2.0, 2.5), spread=8.0),
    "Blond_Hair": HairColour(mean=(58.0, 6.0, 23.0), reach=(6.0, 2.5, 4.0), spread=16.0),
    "Brown_Hair": HairColour(mean=(27.5, 8.0, 13.5), reach=(4.0, 2.5, 3.5), spread=13.0),
}
"""Near the means of `measure_hair` over the training photos: 131 heads with L < 14 for black
(10.1, 3.4, 3.6; the red of warm light taken back a little), 28 with L > 50 and b > 15 for blond
(58.2, 7.4, 21.2), 122 with L in 20..34 and b in 8..20 for brown (27.5, 7.5, 12.9)."""

LEAST_HAIR = 0.02
"""Share of an image below which hair is neither recoloured nor judged."""


def measure_hair(image: Array, mask: Array) -> Array | None:
    """Mean and standard deviation of Lab in the hair, (2, 3); None where there is too little.

    Args:
        image: RGB uint8 (H, H, 3).
        mask: hair in [0, 1], (H, H).
    """
    inside = mask > 0.9
    if inside.mean() < LEAST_HAIR:
        return None
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[inside]
    return np.stack([lab.mean(0), lab.std(0)])


def nearest_hair(mean: Array) -> str:
    """The class whose mean is nearest to a head's mean (L, a, b), in units of L."""
    return min(
        HAIR_COLOURS,
        key=lambda name: float(np.linalg.norm(mean - np.asarray(HAIR_COLOURS[name].mean))),
    )


def recolour_hair(image: Array, mask: Array, brows: Array, colour: HairColour) -> Array:
    """The image with its hair moved into a class of colour, its brows a quarter of the way.

    Args:
        image: RGB uint8 (H, H, 3).
        mask: hair in [0, 1], (H, H), soft edges.
        brows: brows in [0, 1], (H, H).

    Returns:
        RGB uint8 (H, H, 3); the image itself where there is too little hair.
    """
    found = measure_hair(image, mask)
    if found is None:
        return image
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    mean, goal, reach = found[0], np.asarray(colour.mean), np.asarray(colour.reach)
    goal = np.clip(mean, goal - reach, goal + reach)
    if np.allclose(goal, mean):
        return image
    moved = lab - mean
    # Dark hair has little contrast; lifting it to blond without more would look like felt.
    moved[..., 0] *= np.clip(colour.spread / max(float(found[1, 0]), 1.0), 0.5, 2.2)
    # Red hair painted black would keep red strands and blue shadows if chroma kept its spread.
    calm = np.clip((np.hypot(*goal[1:]) + 2) / (np.hypot(*mean[1:]) + 2), 0.3, 0.9)
    painted = (moved * np.array([1, calm, calm]) + goal).astype(np.float32)
    painted[..., 0] = _soft_limits(painted[..., 0])
    weight = np.clip(mask + 0.25 * brows, 0, 1)[..., None]
    out = cv2.cvtColor((lab + weight * (painted - lab)).astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(out.clip(0, 1) * 255 + 0.5, dtype=np.uint8)


def _soft_limits(lightness: Array) -> Array:
    """Squeeze L below 6 and above 88 instead of clipping it, so that strands stay visible."""
    low = 6 * np.exp(np.minimum(lightness - 6, 0) / 6)
    high = 100 - 12 * np.exp(-np.maximum(lightness - 88, 0) / 12)
    return np.where(lightness < 6, low, np.where(lightness > 88, high, lightness))
