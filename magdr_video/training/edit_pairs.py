"""Pairs for the `edit` generator: a face, a label and what the face looks like under it.

Every face is held in eight views (itself, three hair colours, both ends of gender and of age).
A pair is drawn from them, so that hair, gender and age combine freely. A label holds 1 or 0 for
what is asked, StarGAN's semantics, and two more values that the sampler teaches: no hair colour
set keeps the hair, and 0.5 for Male or Young leaves that attribute as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magdr_video.training.faces_data import (
    HAIR,
    Array,
    OmiFaces,
    is_held_out,
    jitter,
    recompress,
    soft_mask,
)
from magdr_video.training.prototypes import Prototype, fit_prototypes, transform_face
from magdr_video.training.recolour import HAIR_COLOURS, measure_hair, nearest_hair, recolour_hair

CONDITION = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Young")
VIEWS = ("source", *HAIR_COLOURS, "male", "female", "young", "old")
VIEW_SIZE = 160
"""Side in pixels of a held view; the jitter cuts training images out of it."""


@dataclass(frozen=True)
class EditViews:
    """The views of N faces.

    Attributes:
        views: (N, 8, 160, 160, 3) uint8, in the order of `VIEWS`.
        hair: (N,) index of the own hair colour, 0..2; -1 where no class is near or it is covered.
        ratings: (N, 2) float32, gender and age in 0..100.
    """

    views: Array
    hair: Array
    ratings: Array


def own_hair(image: Array, mask: Array) -> int:
    """Index of the face's own hair colour, -1 where it has too little hair or a far colour."""
    found = measure_hair(image, mask)
    if found is None:
        return -1
    name = nearest_hair(found[0])
    far = np.linalg.norm(found[0] - np.asarray(HAIR_COLOURS[name].mean)) > 12
    return -1 if far else list(HAIR_COLOURS).index(name)


def make_views(
    faces: OmiFaces, name: str, prototypes: dict[str, Prototype]
) -> tuple[Array, int, Array]:
    """One photo's views (8, 160, 160, 3) uint8, its hair class and its (gender, age)."""
    image, labels = faces.image(name, VIEW_SIZE), faces.labels(name)
    hair = soft_mask(labels, (HAIR,), VIEW_SIZE)
    brows = soft_mask(labels, (2, 3), VIEW_SIZE)
    ratings = np.array([faces.rating(name, "gender"), faces.rating(name, "age")], np.float32)
    views = [image, *(recolour_hair(image, hair, brows, c) for c in HAIR_COLOURS.values())]
    points = faces.landmarks(name)[:, :2]
    for view in VIEWS[4:]:
        prototype = prototypes["gender" if view in ("male", "female") else "age"]
        strength = prototype.strength(ratings, up=view in ("male", "old"))
        views.append(transform_face(image, labels, points, prototype, strength))
    return np.stack(views), own_hair(image, hair), ratings


def load_views(faces: OmiFaces, cache: Path, *, held_out: bool) -> EditViews:
    """The views of all training (or held-out) photos; made once, then read from `cache`."""
    part = "held-out" if held_out else "train"
    target = cache / f"edit-views-{part}.npz"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        prototypes = fit_prototypes(faces)
        names = [name for name in faces.photos if is_held_out(name) == held_out]
        made = [make_views(faces, name, prototypes) for name in names]
        views, hair, ratings = zip(*made, strict=True)
        np.savez(target, views=np.stack(views), hair=np.array(hair), ratings=np.stack(ratings))
    with np.load(target) as held:
        return EditViews(held["views"], held["hair"], held["ratings"])


def _asked_hair(rng: np.random.Generator, own: int) -> tuple[int, int]:
    """Index of the source's and of the target's view among `VIEWS`; 0 is the face itself."""
    source = int(rng.integers(1, 4)) if rng.random() < 0.2 else 0
    draw = rng.random()
    if draw < 0.25:
        return source, source
    if draw < 0.35 and own >= 0:
        return source, own + 1 if source else 0
    return source, int(rng.integers(1, 4))


def draw_pair(
    held: EditViews, index: int, rng: np.random.Generator, *, hair_only: bool = False
) -> tuple[Array, Array, Array]:
    """Source and target (160, 160, 3) uint8 and the label (5,) float32 of one random request.

    Args:
        hair_only: leave gender and age as they are, with 0.5 in the label.
    """
    views, own = held.views[index], int(held.hair[index])
    source, target = _asked_hair(rng, own)
    label = np.array([0, 0, 0, 0.5, 0.5], np.float32)
    if target:
        label[target - 1] = 1
    elif source == 0 and own >= 0 and rng.random() < 0.5:
        label[own] = 1
    out = views[target].astype(np.int16)
    for place, ends in ((3, ("female", "male")), (4, ("old", "young"))):
        if not hair_only and rng.random() < 0.5:
            label[place] = up = int(rng.integers(0, 2))
            out += views[VIEWS.index(ends[up])].astype(np.int16) - views[0]
    return views[source], out.clip(0, 255).astype(np.uint8), label


def draw_batch(
    held: EditViews, count: int, size: int, rng: np.random.Generator, *, hair_only: bool = False
) -> tuple[Array, Array, Array]:
    """Sources and targets (F, size, size, 3) uint8 under one jitter each, labels (F, 5)."""
    sources, targets, labels = [], [], []
    for index in rng.integers(0, len(held.hair), count):
        source, target, label = draw_pair(held, int(index), rng, hair_only=hair_only)
        source, target = jitter([source, target], size, rng)
        if rng.random() < 0.3:
            packed = recompress(source, rng)
            change = packed.astype(np.int16) - source
            source, target = packed, (target + change).clip(0, 255).astype(np.uint8)
        sources.append(source)
        targets.append(target)
        labels.append(label)
    return np.stack(sources), np.stack(targets), np.stack(labels)
