"""Gender and age moved in a face's shape and skin: the supervision of Male and Young.

A prototype is the mean difference between two groups of faces, once in the landmarks and once in
the texture after warping to the mean shape; adding it to a face moves that face along the axis
(Rowland and Perrett, "Manipulating facial appearance through shape and color", 1995). Two sources
are summed: the level series, which change one attribute of the same identity and so hold little
else, and a ridge regression of the photos on their ratings, which is stronger and holds more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from magdr_video.training.action_units import INNER_LIPS
from magdr_video.training.faces_data import Array, OmiFaces, is_held_out, soft_mask
from magdr_video.training.landmark_warp import warp

FACE = (1, 2, 3, 4, 5, 10, 12, 13)
"""Classes that a prototype's texture may touch: skin, brows, eyes, nose, lips."""

CONTROLS = ("gender", "age", "happy", "skin-color")
"""Ratings of the regression; the last two only keep their influence out of the first two."""

_LIP_PAIRS = (
    (13, 14), (82, 87), (312, 317), (81, 178), (311, 402), (80, 88), (310, 318), (191, 95),
    (415, 324),
)  # fmt: skip
"""Points of the inner lips, upper and lower, that touch when the mouth is closed."""

TEXTURE_SIZE = 128
_OUTER_EYES = (33, 263)
LEAST_STRENGTH = 0.05
"""Part of a step below which a face is left as it is."""


@dataclass(frozen=True)
class Prototype:
    """One axis of change, from low to high ratings.

    Attributes:
        mean: landmarks of the mean face, (478, 2) in [0, 1].
        shape: change of the landmarks in the mean face's frame, (478, 2).
        texture: change of RGB in the mean face's frame, (S, S, 3) float32 in units of 1/255.
        place: index of the axis among the (gender, age) ratings.
        low: rating at which a face needs no more change downwards; high: the same upwards.
        gain: multiple of the measured change that a whole step takes; means are weaker than faces.
            At 1.2 a reader often misses the asked; at 3 the skin shows the texture's blotches.
    """

    mean: Array
    shape: Array
    texture: Array
    place: int
    low: float
    high: float
    gain: float

    def strength(self, ratings: Array, *, up: bool) -> float:
        """Signed part of a whole step that a face of these ratings needs to reach an end."""
        rating, width = float(ratings[self.place]), self.high - self.low
        if up:
            return float(np.clip((self.high - rating) / width, 0, 1))
        return -float(np.clip((rating - self.low) / width, 0, 1))


def _similarity(points: Array, goal: Array) -> Array:
    """Points moved onto others by the best similarity (least squares in complex numbers)."""
    held, wanted = points @ (1, 1j), goal @ (1, 1j)
    held, centre = held - held.mean(), wanted.mean()
    turn = np.vdot(held, wanted - centre) / np.vdot(held, held)
    moved = turn * held + centre
    return np.stack([moved.real, moved.imag], axis=1).astype(np.float32)


def mean_shape(shapes: Array) -> Array:
    """Generalised Procrustes mean of landmarks (N, 478, 2), in two rounds."""
    mean: Array = shapes.mean(0)
    for _ in range(2):
        mean = np.stack([_similarity(shape, mean) for shape in shapes]).mean(0)
    return mean


def _texture(faces: OmiFaces, name: str, mean: Array) -> Array:
    image = faces.image(name, TEXTURE_SIZE)
    return warp(image, faces.landmarks(name)[:, :2], mean).astype(np.float32)


def _from_series(faces: OmiFaces, attribute: str, mean: Array) -> tuple[Array, Array]:
    """Mean change of shape and texture from level 0 to level 2 of the training identities."""
    shapes, textures = [], []
    for low, _, high in faces.series(attribute):
        if is_held_out(low):
            continue
        before, after = (_similarity(faces.landmarks(n)[:, :2], mean) for n in (low, high))
        shapes.append(after - before)
        textures.append(_texture(faces, high, mean) - _texture(faces, low, mean))
    return np.mean(shapes, axis=0), np.mean(textures, axis=0)


def is_plain(faces: OmiFaces, name: str) -> bool:
    """True for adults looking ahead, without glasses or a hat."""
    labels, points = faces.labels(name), faces.landmarks(name)
    turned = abs(points[1, 0] - points[list(_OUTER_EYES), 0].mean()) > 0.05
    covered = (labels == 6).mean() > 0.004 or (labels == 18).mean() > 0.01
    return not turned and not covered and faces.rating(name, "age") >= 15


def _from_photos(faces: OmiFaces, names: list[str], mean: Array) -> tuple[Array, Array]:
    """Regression coefficients of shape and texture, (gender and age, ...), for 50 points."""
    plain = [name for name in names if is_plain(faces, name)]
    rows = [[1.0] + [(faces.rating(n, k) - 50) / 50 for k in CONTROLS] for n in plain]
    given = np.array(rows)
    normal = given.T @ given + np.eye(given.shape[1])
    shapes = np.stack([_similarity(faces.landmarks(n)[:, :2], mean) for n in plain])
    textures = np.stack([_texture(faces, n, mean) for n in plain])
    fitted = []
    for values in (shapes, textures):
        flat = np.linalg.solve(normal, given.T @ values.reshape(len(values), -1))
        fitted.append(flat[1:3].reshape(2, *values.shape[1:]).astype(np.float32))
    return fitted[0], fitted[1]


def _without_mouth(texture: Array, mean: Array) -> Array:
    """The texture with nothing inside the lips, where a closed mouth has no room for it."""
    rim = np.rint(mean[list(INNER_LIPS)] * TEXTURE_SIZE).astype(np.int32)
    inside = cv2.fillPoly(np.zeros(texture.shape[:2], np.uint8), [rim], 1)
    inside = cv2.dilate(inside, np.ones((2, 2), np.uint8)).astype(np.float32)
    out: Array = texture * (1 - cv2.GaussianBlur(inside, (0, 0), 0.8)[..., None])
    return out


def _below_forehead(texture: Array, mean: Array) -> Array:
    """The texture fading to a fifth above the brows, where it would hold hair and its shadow."""
    brow = mean[[70, 300, 105, 334], 1].min() - 0.02
    height = (np.arange(TEXTURE_SIZE) + 0.5) / TEXTURE_SIZE
    weight = np.clip(1 - (brow - height) / 0.06, 0.2, 1).astype(np.float32)
    out: Array = texture * weight[:, None, None]
    return out


def _closed(shape: Array) -> Array:
    """The shape with inner lips that move together, so that no closed mouth turns inside out."""
    out = shape.copy()
    for pair in _LIP_PAIRS:
        out[list(pair)] = shape[list(pair)].mean(axis=0)
    return out


def fit_prototypes(faces: OmiFaces) -> dict[str, Prototype]:
    """The axes `gender` (low is female) and `age` (low is young), from training faces only."""
    names = [name for name in faces.photos if not is_held_out(name)]
    mean = mean_shape(np.stack([faces.landmarks(name)[:, :2] for name in names]))
    shapes, textures = _from_photos(faces, names, mean)
    gender_shape, gender_skin = _from_series(faces, "gender", mean)
    age_shape, age_skin = _from_series(faces, "age", mean)
    # Old people stand in other light than young ones; only the fine part of that texture is age.
    fine = textures[1] - cv2.GaussianBlur(textures[1], (0, 0), 12)
    gender = _without_mouth(gender_skin + 0.8 * _below_forehead(textures[0], mean), mean)
    age = _without_mouth(1.2 * age_skin + _below_forehead(fine, mean), mean)
    return {
        "gender": Prototype(mean, _closed(gender_shape + shapes[0]), gender, 0, 15.0, 80.0, 2.0),
        "age": Prototype(mean, _closed(1.4 * age_shape), age, 1, 22.0, 55.0, 2.2),
    }


def goal_landmarks(landmarks: Array, prototype: Prototype, strength: float) -> Array:
    """Where a face's landmarks (478, 2) lie after `strength` of a whole step along an axis."""
    eyes = list(_OUTER_EYES)
    across, mean_across = (
        np.diff(p[eyes], axis=0)[0] @ (1, 1j) for p in (landmarks, prototype.mean)
    )
    moved = (prototype.shape @ (1, 1j)) * (across / mean_across)
    step = np.stack([moved.real, moved.imag], axis=1).astype(np.float32)
    out: Array = landmarks + strength * prototype.gain * step
    return out


def transform_face(
    image: Array, labels: Array, landmarks: Array, prototype: Prototype, strength: float
) -> Array:
    """Move a face along an axis.

    Args:
        image: RGB uint8 (S, S, 3).
        labels: parser classes (H, H), BiSeNet's order.
        landmarks: (478, 2) in [0, 1].
        strength: part of a whole step, in -1..1; less than 0.05 returns the image.

    Returns:
        RGB uint8 (S, S, 3); its background may be bent a little around the head.
    """
    if abs(strength) < LEAST_STRENGTH:
        return image
    size = image.shape[0]
    goal = goal_landmarks(landmarks, prototype, strength)
    bent = warp(image, landmarks, goal).astype(np.float32)
    texture = cv2.resize(prototype.texture, (size, size), interpolation=cv2.INTER_LINEAR)
    texture = warp(texture, prototype.mean, goal) * _inner_face(labels, landmarks, goal, size)
    out: Array = (bent + strength * prototype.gain * texture).clip(0, 255).astype(np.uint8)
    return out


def _inner_face(labels: Array, landmarks: Array, goal: Array, size: int) -> Array:
    """Where the texture is added, (S, S, 1) in [0, 1]: the face, fading towards its outline.

    Near the outline of a turned head the mesh folds, and a texture would show its triangles.
    """
    face = (soft_mask(labels, FACE, size) > 0.5).astype(np.uint8)
    face = cv2.morphologyEx(face, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    inset = cv2.distanceTransform(face, cv2.DIST_L2, 3) * 128 / size
    ramp = np.clip((inset - 2.5) / 8, 0, 1).astype(np.float32)
    ramp = warp(np.repeat(ramp[..., None], 3, axis=2), landmarks, goal)[..., :1]
    soft: Array = cv2.GaussianBlur(ramp, (0, 0), size / 128)[..., None]
    return soft
