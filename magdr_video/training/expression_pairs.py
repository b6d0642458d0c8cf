"""Pairs for the `reenact` generator: one face under two expressions, and the units of the second.

Every face is held in several views: itself, and warps of it towards rest, named expressions,
other faces' expressions and single units. A pair is any two of them, so that the generator sees
closed eyes open and open mouths close, and asking for a view's own units returns it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from magdr_video.models.ganimation import ACTION_UNITS
from magdr_video.training.action_units import TAUGHT_EXPRESSIONS, Array, displace, measure
from magdr_video.training.faces_data import OmiFaces, is_held_out, jitter, recompress
from magdr_video.training.landmark_warp import OpenMouth, expressive, open_mouth

VIEW_SIZE = 160
"""Side in pixels of a held view; the jitter cuts training images out of it."""

MOUTHS = ("images/312", "images/2", "images/168")
"""Open mouths (chosen on sight): an O, a laugh, a smile that shows teeth."""


@dataclass(frozen=True)
class ExpressionViews:
    """The views of N faces.

    Attributes:
        views: (N, V, 160, 160, 3) uint8; the first is the face itself.
        units: (N, V, 17) float32 in [0, 1], measured on the view's landmarks.
    """

    views: Array
    units: Array


def expression_units(name: str, strength: float = 1.0) -> Array:
    """Action units (17,) float32 of a named expression (`TAUGHT_EXPRESSIONS`)."""
    shown = TAUGHT_EXPRESSIONS[name]
    return np.array([strength * (unit in shown) for unit in ACTION_UNITS], dtype=np.float32)


def draw_targets(own: Array, others: Array, rng: np.random.Generator) -> list[Array]:
    """Six requests (17,): rest, two named, two of other faces, one to three units changed.

    Args:
        own: units of the face. others: (M, 17), units of all faces.
    """
    named = rng.choice(["happy", "surprised", "angry", "sad", "blink"], 2, replace=False)
    targets = [expression_units("neutral")]
    targets += [expression_units(str(name), float(rng.uniform(0.5, 1))) for name in named]
    targets += [others[i] for i in rng.integers(0, len(others), 2)]
    few = own.copy()
    for place in rng.choice(len(own), int(rng.integers(1, 4)), replace=False):
        few[place] = rng.uniform(0.3, 1) if own[place] < 0.3 else 0.0
    return [*targets, few]


def make_views(
    image: Array, landmarks: Array, targets: list[Array], mouths: tuple[OpenMouth, ...]
) -> tuple[Array, Array]:
    """The face and its warps (1 + T, H, H, 3) uint8, and what each of them measures (1 + T, 17)."""
    views, units = [image], [measure(landmarks)]
    for target in targets:
        moved = displace(landmarks, target)
        views.append(expressive(image, landmarks, moved, mouths))
        units.append(measure(moved))
    return np.stack(views), np.stack(units)


def read_mouths(faces: OmiFaces, size: int = VIEW_SIZE) -> tuple[OpenMouth, ...]:
    """The mouth insides that all pairs share."""
    return tuple(open_mouth(faces.image(n, size), faces.landmarks(n)) for n in MOUTHS)


def load_views(
    faces: OmiFaces, cache: Path, *, held_out: bool, seed: int, limit: int | None = None
) -> ExpressionViews:
    """The views of the training (or held-out) photos; made once, then read from `cache`.

    Args:
        seed: of the requests.
        limit: take the first faces only, for a trial.
    """
    target = cache / f"expression-views-{'held-out' if held_out else 'train'}.npz"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        names = [name for name in faces.photos if is_held_out(name) == held_out][:limit]
        rng, mouths = np.random.default_rng((seed, held_out)), read_mouths(faces)
        others = np.stack([measure(faces.landmarks(name)) for name in names])
        made = []
        for name, own in zip(names, others, strict=True):
            targets = draw_targets(own, others, rng)
            image = faces.image(name, VIEW_SIZE)
            made.append(make_views(image, faces.landmarks(name), targets, mouths))
        views, units = zip(*made, strict=True)
        np.savez(target, views=np.stack(views), units=np.stack(units))
    with np.load(target) as held:
        return ExpressionViews(held["views"], held["units"])


def _draw_pair(held: ExpressionViews, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    face, views = int(rng.integers(len(held.views))), held.views.shape[1]
    first = 0 if rng.random() < 0.6 else int(rng.integers(views))
    second = first if rng.random() < 0.12 else int(rng.integers(views))
    return held.views[face, first], held.views[face, second], held.units[face, second]


def draw_batch(
    held: ExpressionViews, count: int, size: int, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Sources and targets (F, size, size, 3) uint8 under one jitter each, units (F, 17)."""
    sources, targets, units = [], [], []
    for _ in range(count):
        source, target, asked = _draw_pair(held, rng)
        source, target = jitter([source, target], size, rng)
        if rng.random() < 0.3:
            packed = recompress(source, rng)
            change = packed.astype(np.int16) - source
            source, target = packed, (target + change).clip(0, 255).astype(np.uint8)
        sources.append(source)
        targets.append(target)
        units.append(asked)
    return np.stack(sources), np.stack(targets), np.stack(units)
