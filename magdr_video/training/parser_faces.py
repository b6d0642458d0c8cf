"""Faces with their class labels for the parser, and the views that make them look like video.

Two sources: 900 photos of the CelebAMask-HQ subset with hand-made masks, and the synthetic OMI
faces with a teacher's labels. The teacher mixes up left and right, so brows, eyes and ears are
merged into the left class of each pair: the trained parser leaves r_brow, r_eye and r_ear empty,
and a mirrored face needs no relabelling. Regions merge the pairs anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from magdr_video.training.faces_data import Array, OmiFaces, is_held_out, recompress

SIDE = 256
"""Side in pixels of the held images and labels."""

CELEBA_TO_BISENET = np.array(
    [0, 1, 10, 6, 4, 5, 2, 3, 7, 8, 11, 12, 13, 17, 18, 9, 15, 14, 16], dtype=np.uint8
)
"""BiSeNet's class of each id in a CelebAMask-HQ mask file (METHOD, section 4)."""

MERGED = np.array(
    [0, 1, 2, 2, 4, 4, 6, 7, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18], dtype=np.uint8
)
"""The class that stands for each class once left and right are one."""

_RARE = {6: 2.0, 9: 2.0, 15: 8.0, 18: 2.0}
"""How much more often faces are drawn that wear eyeglasses, an earring, a necklace or a hat."""


@dataclass(frozen=True)
class ParsedFaces:
    """N faces and what is where on them.

    Attributes:
        images: (N, 256, 256, 3) uint8 RGB.
        labels: (N, 256, 256) uint8, BiSeNet classes with the pairs merged.
        draw: (N,) float64, the probability of being drawn; sums to 1.
    """

    images: Array
    labels: Array
    draw: Array


def _read(path: Path) -> Array:
    with Image.open(path) as held:
        return np.asarray(held.convert("RGB"), dtype=np.uint8)


def _celeba(data: Path, *, held_out: bool) -> tuple[list[Array], list[Array]]:
    """The hand-labelled photos; every tenth, in order of name, is held out."""
    paths = sorted((data / "parsing" / "images").glob("*.jpg"))
    paths = [path for i, path in enumerate(paths) if (i % 10 == 0) == held_out]
    labels = []
    for path in paths:
        with Image.open(data / "parsing" / "masks" / f"{path.stem}.png") as held:
            labels.append(MERGED[CELEBA_TO_BISENET[np.asarray(held, dtype=np.uint8)]])
    return [_read(path) for path in paths], labels


def _omi(data: Path, *, held_out: bool) -> tuple[list[Array], list[Array]]:
    """The synthetic faces; of the series the middle levels are left out, as near-copies."""
    faces = OmiFaces(data)
    series = sorted((data / "omi" / "series").glob("*_[02].jpg"))
    names = [*faces.photos, *(f"series/{path.stem}" for path in series)]
    if held_out:
        names = faces.photos[::2]
    names = [name for name in names if is_held_out(name) == held_out]
    images = [faces.image(name, SIDE) for name in names]
    return images, [MERGED[faces.labels(name)] for name in names]


def _share(labels: Array) -> float:
    """How often a face with these labels is drawn, a plain one once."""
    return 1 + sum(more for label, more in _RARE.items() if (labels == label).any())


def load_parsed(data: Path, *, held_out: bool) -> ParsedFaces:
    """All training (or held-out) faces; the two sources are drawn half and half.

    Raises:
        InputError: `data` holds no OMI faces.
    """
    images, labels, draw = [], [], []
    for source in (_celeba, _omi):
        some_images, some_labels = source(data, held_out=held_out)
        weight = np.array([_share(one) for one in some_labels])
        images += some_images
        labels += some_labels
        draw.append(weight / weight.sum() / 2)
    return ParsedFaces(np.stack(images), np.stack(labels), np.concatenate(draw))


def _view_affine(rng: np.random.Generator) -> tuple[Array, Array]:
    """Turn (2, 2) with scale 0.8 to 1.3, perhaps mirrored, and shift (2,), in sides."""
    angle = np.deg2rad(rng.uniform(-20, 20))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn *= rng.uniform(0.8, 1.3)
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    return turn, rng.uniform(-0.1, 0.1, 2)


def _warp(image: Array, turn: Array, shift: Array, size: int, interpolation: int) -> Array:
    """A similarity about the middle; maps input (x, y) to output, pixel centres at integers."""
    scaled = turn * size / image.shape[0]
    offset = (size - 1) / 2 + shift * size - scaled @ np.full(2, (image.shape[0] - 1) / 2)
    affine = np.concatenate([scaled, offset[:, None]], axis=1)
    out: Array = cv2.warpAffine(
        image, affine, (size, size), flags=interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    return out


def _tint(image: Array, rng: np.random.Generator) -> Array:
    """Other light: gamma, contrast, colour of the lamp, saturation; now and then grey."""
    light = (image.astype(np.float32) / 255) ** rng.uniform(0.7, 1.4)
    light = light * rng.uniform(0.8, 1.2, 3).astype(np.float32) * rng.uniform(0.85, 1.15)
    grey = light.mean(axis=2, keepdims=True)
    saturation = 0.0 if rng.random() < 0.05 else rng.uniform(0.5, 1.4)
    light = grey + (light - grey) * saturation + rng.uniform(-0.06, 0.06)
    out: Array = (light.clip(0, 1) * 255).astype(np.uint8)
    return out


def _wear(image: Array, rng: np.random.Generator) -> Array:
    """What a camera and a codec do: blur, noise (also of perturbations' size), compression."""
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.35:
        noise = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(2, 10)
        image = (image + noise).clip(0, 255).astype(np.uint8)
    return recompress(image, rng) if rng.random() < 0.3 else image


def draw_view(
    image: Array, labels: Array, size: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """A random view (size, size, 3) and its labels (size, size), both uint8.

    The image is first drawn at 96 to 256 px and then enlarged, because the pipeline parses
    enlarged crops of 128 px.
    """
    turn, shift = _view_affine(rng)
    small = int(rng.integers(96, SIDE + 1)) if rng.random() < 0.7 else SIDE
    view = _wear(_tint(_warp(image, turn, shift, small, cv2.INTER_LINEAR), rng), rng)
    view = cv2.resize(view, (size, size), interpolation=cv2.INTER_LINEAR)
    return view, _warp(labels, turn, shift, size, cv2.INTER_NEAREST)
