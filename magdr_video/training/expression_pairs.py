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
from magdr_video.training.ahead import spread
from magdr_video.training.faces_data import OmiFaces, draw_view, is_held_out
from magdr_video.training.landmark_warp import OpenMouth, expressive, flows, open_mouth
from magdr_video.training.moving_pairs import CALM, PairArrays, seen_pair

VIEW_SIZE = 160
"""Side in pixels of a held view; the jitter cuts training images out of it."""

SERIES = ("age", "weight", "gender", "outgoing", "smart")
"""Level series whose ends join the training faces: other faces of the same few identities."""

MOUTHS = ("images/312", "images/2", "images/168")
"""Open mouths (chosen on sight): an O, a laugh, a smile that shows teeth."""


@dataclass(frozen=True)
class ExpressionViews:
    """The views of N faces.

    Attributes:
        views: (N, V, 160, 160, 3) uint8; the first is the face itself.
        units: (N, V, 17) float32 in [0, 1], measured on the view's landmarks.
        flows: (N, V, V, 40, 40, 2) float16: entry [n, b, a] samples view b from view a, in half
            sides of the image.
    """

    views: Array
    units: Array
    flows: Array


def expression_units(name: str, strength: float = 1.0) -> Array:
    """Action units (17,) float32 of a named expression (`TAUGHT_EXPRESSIONS`)."""
    shown = TAUGHT_EXPRESSIONS[name]
    return np.array([strength * (unit in shown) for unit in ACTION_UNITS], dtype=np.float32)


def draw_targets(own: Array, others: Array, rng: np.random.Generator) -> list[Array]:
    """Seven requests (17,): rest, three named, one of another face, two with units changed.

    Args:
        own: units of the face. others: (M, 17), units of all faces.
    """
    named = rng.choice(["happy", "surprised", "angry", "sad", "blink"], 3, replace=False)
    targets = [expression_units("neutral")]
    targets += [expression_units(str(name), float(rng.uniform(0.6, 1))) for name in named]
    targets.append(others[int(rng.integers(len(others)))])
    for most in (3, 6):
        few = own.copy()
        for place in rng.choice(len(own), int(rng.integers(1, most + 1)), replace=False):
            few[place] = rng.uniform(0.4, 1) if own[place] < 0.4 else 0.0
        targets.append(few)
    return targets


def make_views(
    image: Array, landmarks: Array, targets: list[Array], mouths: tuple[OpenMouth, ...]
) -> tuple[Array, Array, Array]:
    """The face and its warps: (V, H, H, 3) uint8, what each measures (V, 17), the flows."""
    meshes = [landmarks[:, :2], *(displace(landmarks, target) for target in targets)]
    views = [image, *(expressive(image, landmarks, mesh, mouths) for mesh in meshes[1:])]
    fields = flows(np.stack(meshes), landmarks, VIEW_SIZE // 4).astype(np.float16)
    return np.stack(views), np.stack([measure(mesh) for mesh in meshes]), fields


def read_mouths(faces: OmiFaces, size: int = VIEW_SIZE) -> tuple[OpenMouth, ...]:
    """The mouth insides that all pairs share."""
    return tuple(open_mouth(faces.image(n, size), faces.landmarks(n)) for n in MOUTHS)


def names_of(faces: OmiFaces, *, held_out: bool) -> list[str]:
    """Photos of held-out identities; of the others also both ends of the level series."""
    names = list(faces.photos)
    if not held_out:
        for attribute in SERIES:
            names += [name for low, _, high in faces.series(attribute) for name in (low, high)]
    return [name for name in names if is_held_out(name) == held_out]


def load_views(
    faces: OmiFaces,
    cache: Path,
    *,
    held_out: bool,
    seed: int,
    limit: int | None = None,
    workers: int = 0,
) -> ExpressionViews:
    """The views of the training (or held-out) faces; made once, then read from `cache`.

    Args:
        seed: of the requests.
        limit: take the first faces only, for a trial.
        workers: processes that make them.
    """
    target = cache / f"expression-views-{'held-out' if held_out else 'train'}.npz"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        names = names_of(faces, held_out=held_out)[:limit]
        rng, mouths = np.random.default_rng((seed, held_out)), read_mouths(faces)
        others = np.stack([measure(faces.landmarks(name)) for name in names])
        asked = [
            (name, draw_targets(own, others, rng)) for name, own in zip(names, others, strict=True)
        ]

        def make(request: tuple[str, list[Array]]) -> tuple[Array, Array, Array]:
            name, targets = request
            return make_views(faces.image(name, VIEW_SIZE), faces.landmarks(name), targets, mouths)

        made = spread(make, asked, workers)
        views, units, fields = (np.stack(part) for part in zip(*made, strict=True))
        np.savez(target, views=views, units=units, flows=fields)
    with np.load(target) as held:
        return ExpressionViews(held["views"], held["units"], held["flows"])


def draw_pair(held: ExpressionViews, rng: np.random.Generator) -> tuple[int, int, int]:
    """Index of a face, of the view that is its source and of the one that is its target."""
    face, views = int(rng.integers(len(held.views))), held.views.shape[1]
    first = 0 if rng.random() < 0.6 else int(rng.integers(views))
    second = first if rng.random() < 0.08 else int(rng.integers(views))
    return face, first, second


def draw_batch(
    held: ExpressionViews, count: int, size: int, rng: np.random.Generator
) -> PairArrays:
    """F pairs of sides `size`, each under one view; conditions are action units."""
    drawn = []
    for _ in range(count):
        face, first, second = draw_pair(held, rng)
        images = held.views[face, first], held.views[face, second]
        flow = held.flows[face, second, first]
        pair = seen_pair(*images, flow, draw_view(images[0].shape[0], size, rng, calm=CALM), rng)
        drawn.append((*pair, held.units[face, second], held.units[face, first]))
    sources, targets, fields, asked, there = (np.stack(part) for part in zip(*drawn, strict=True))
    return PairArrays(sources, targets, asked, there, fields)
