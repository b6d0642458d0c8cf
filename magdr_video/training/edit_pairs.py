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

from magdr_video.training.ahead import spread
from magdr_video.training.faces_data import (
    HAIR,
    Array,
    OmiFaces,
    draw_view,
    is_held_out,
    soft_mask,
)
from magdr_video.training.landmark_warp import flows
from magdr_video.training.moving_pairs import CALM, PairArrays, seen_pair
from magdr_video.training.prototypes import (
    LEAST_STRENGTH,
    Prototype,
    fit_prototypes,
    goal_landmarks,
    transform_face,
)
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
        flows: (N, 4, 40, 40, 2) float16: samples male, female, young, old from the source, in half
            sides of the image; hair colours move nothing.
    """

    views: Array
    hair: Array
    ratings: Array
    flows: Array


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
) -> tuple[Array, int, Array, Array]:
    """One photo's views (8, 160, 160, 3) uint8, hair class, (gender, age), flows (4, 40, 40, 2)."""
    image, labels = faces.image(name, VIEW_SIZE), faces.labels(name)
    hair = soft_mask(labels, (HAIR,), VIEW_SIZE)
    brows = soft_mask(labels, (2, 3), VIEW_SIZE)
    ratings = np.array([faces.rating(name, "gender"), faces.rating(name, "age")], np.float32)
    views = [image, *(recolour_hair(image, hair, brows, c) for c in HAIR_COLOURS.values())]
    points = faces.landmarks(name)[:, :2]
    meshes = [points]
    for view in VIEWS[4:]:
        prototype = prototypes["gender" if view in ("male", "female") else "age"]
        strength = prototype.strength(ratings, up=view in ("male", "old"))
        views.append(transform_face(image, labels, points, prototype, strength))
        moves = abs(strength) >= LEAST_STRENGTH
        meshes.append(goal_landmarks(points, prototype, strength) if moves else points)
    fields = flows(np.stack(meshes), points, VIEW_SIZE // 4)[1:, 0].astype(np.float16)
    return np.stack(views), own_hair(image, hair), ratings, fields


def load_views(faces: OmiFaces, cache: Path, *, held_out: bool, workers: int = 0) -> EditViews:
    """The views of all training (or held-out) photos; made once, then read from `cache`."""
    part = "held-out" if held_out else "train"
    target = cache / f"edit-views-{part}.npz"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        prototypes = fit_prototypes(faces)
        names = [name for name in faces.photos if is_held_out(name) == held_out]
        made = spread(lambda name: make_views(faces, name, prototypes), names, workers)
        views, hair, ratings, fields = (np.stack(part) for part in zip(*made, strict=True))
        np.savez(target, views=views, hair=hair, ratings=ratings, flows=fields)
    with np.load(target) as held:
        return EditViews(held["views"], held["hair"], held["ratings"], held["flows"])


def _asked_hair(rng: np.random.Generator, own: int) -> tuple[int, int]:
    """Index of the source's and of the target's view among `VIEWS`; 0 is the face itself."""
    source = int(rng.integers(1, 4)) if rng.random() < 0.2 else 0
    draw = rng.random()
    if draw < 0.25:
        return source, source
    if draw < 0.35 and own >= 0:
        return source, own + 1 if source else 0
    return source, int(rng.integers(1, 4))


def shown_label(held: EditViews, index: int, source: int) -> Array:
    """What a source shows, (5,) float32: hair is 1 or 0, gender and age between their ends."""
    label = np.zeros(5, np.float32)
    hair = source - 1 if source else int(held.hair[index])
    if hair >= 0:
        label[hair] = 1
    else:
        label[:3] = np.nan
    gender, age = held.ratings[index]
    label[3] = np.clip((gender - 15) / 65, 0, 1)
    label[4] = np.clip((55 - age) / 33, 0, 1)
    return label


def draw_pair(
    held: EditViews, index: int, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array, Array]:
    """One random request: source and target (160, 160, 3) uint8, the flow (40, 40, 2) that samples
    the target from the source, the label asked (5,) float32 and the one that the source shows."""
    views, own = held.views[index], int(held.hair[index])
    source, target = _asked_hair(rng, own)
    label = np.array([0, 0, 0, 0.5, 0.5], np.float32)
    flow = np.zeros(held.flows.shape[2:], np.float32)
    if target:
        label[target - 1] = 1
    elif source == 0 and own >= 0 and rng.random() < 0.5:
        label[own] = 1
    out = views[target].astype(np.int16)
    for place, ends in ((3, ("female", "male")), (4, ("old", "young"))):
        if rng.random() < 0.5:
            label[place] = up = int(rng.integers(0, 2))
            view = VIEWS.index(ends[up])
            out += views[view].astype(np.int16) - views[0]
            flow += held.flows[index, view - 4].astype(np.float32)
    image = out.clip(0, 255).astype(np.uint8)
    return views[source], image, flow, label, shown_label(held, index, source)


def draw_batch(held: EditViews, count: int, size: int, rng: np.random.Generator) -> PairArrays:
    """F pairs of side `size`, each under one view; conditions are labels."""
    drawn = []
    for index in rng.integers(0, len(held.hair), count):
        source, target, flow, asked, there = draw_pair(held, int(index), rng)
        view = draw_view(source.shape[0], size, rng, calm=CALM)
        drawn.append((*seen_pair(source, target, flow, view, rng), asked, there))
    sources, targets, fields, asked, there = (np.stack(part) for part in zip(*drawn, strict=True))
    return PairArrays(sources, targets, asked, there, fields)
