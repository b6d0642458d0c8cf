"""The persona of the task `replace`, put on other faces by landmarks: the supervision of its pairs.

The persona is one synthetic face of OMI that depicts nobody. Its face is warped onto the
landmarks of a source, so that pose and expression are the source's; its features (brows, eyes,
nose, lips, beard) stay its own. Light and skin tone come from the source: the low frequencies of
the two faces are exchanged in Lab, the idea of Burt and Adelson's multiresolution splines (1983)
with two bands. Hair, ears, neck, background and the inside of an open mouth remain the source's.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from magdr_video.training.action_units import INNER_LIPS
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.landmark_warp import warp

PERSONA = "images/808"
"""Frontal, neutral, evenly lit; of four tried the one whose features (full brows, beard) stay
recognisable on every face."""

FACE = (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
"""Classes that are replaced, BiSeNet's order: skin, brows, eyes, glasses, nose, mouth, lips."""

_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_OPEN = 0.03
"""Gap of the lips over the height of the face from which a mouth counts as open."""


@dataclass(frozen=True)
class Persona:
    """The face that is put on.

    Attributes:
        image: RGB uint8 (H, H, 3).
        landmarks: (478, 2) in [0, 1].
        face: where the image shows its face, uint8 (H, H, 3), 0 or 255.
    """

    image: Array
    landmarks: Array
    face: Array


def load_persona(faces: OmiFaces, size: int, name: str = PERSONA) -> Persona:
    """The persona at a size."""
    labels = cv2.resize(faces.labels(name), (size, size), interpolation=cv2.INTER_NEAREST)
    face = np.isin(labels, FACE).astype(np.uint8) * 255
    face = cv2.erode(face, np.ones((3, 3), np.uint8))
    points = faces.landmarks(name)[:, :2]
    return Persona(faces.image(name, size), points, np.repeat(face[..., None], 3, axis=2))


def turn(landmarks: Array) -> float:
    """How far a head is turned, 0 (frontal) to 1 (profile): the nose between the cheeks."""
    left, nose, right = landmarks[[234, 1, 454], 0]
    return float(abs((nose - left) - (right - nose)) / max(abs(right - left), 1e-6))


def mouth_gap(landmarks: Array) -> float:
    """Distance of the inner lips over the height of the face."""
    gap, height = landmarks[13] - landmarks[14], landmarks[10] - landmarks[152]
    return float(np.linalg.norm(gap[:2]) / max(float(np.linalg.norm(height[:2])), 1e-6))


def _polygon(points: Array, size: int) -> Array:
    """Filled polygon of points in [0, 1], float32 (size, size) in {0, 1}."""
    plane = np.zeros((size, size), np.uint8)
    # Four more bits of position: a mouth is a few pixels high.
    cv2.fillPoly(plane, [np.rint((points * size - 0.5) * 16).astype(np.int32)], 1, shift=4)
    return np.asarray(plane, dtype=np.float32)


def face_mask(labels: Array, landmarks: Array, size: int) -> Array:
    """Where the persona shows, float32 (size, size) in [0, 1], soft inwards.

    Args:
        labels: parser classes of the source, (H, H) uint8.
        landmarks: of the source, (478, 2 or more) in [0, 1].
    """
    hard = np.isin(labels, FACE).astype(np.float32)
    hard = cv2.resize(hard, (size, size), interpolation=cv2.INTER_AREA)
    inside = (hard > 0.5) * _polygon(landmarks[list(_OVAL), :2], size)
    # Small holes of the labels (a strand, a nostril) would let the source's features through.
    inside = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    depth = cv2.distanceTransform((inside > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    soft = cv2.GaussianBlur(np.clip(depth / (size / 26), 0, 1), (0, 0), size / 160)
    if mouth_gap(landmarks) > _OPEN:
        hole = cv2.GaussianBlur(_polygon(landmarks[list(INNER_LIPS), :2], size), (0, 0), size / 200)
        soft = soft * (1 - hole)
    return np.asarray(soft, dtype=np.float32)


def _low_band(lab: Array, mask: Array, sigma: float) -> Array:
    """Gaussian mean of Lab over the mask only (normalised convolution), (H, H, 3)."""
    weight = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None]
    total: Array = cv2.GaussianBlur(lab * mask[..., None], (0, 0), sigma)
    return np.asarray(total / np.maximum(weight, 1e-3), dtype=np.float32)


def put_on(image: Array, labels: Array, landmarks: Array, persona: Persona) -> Array:
    """The source with the persona's face, RGB uint8 (H, H, 3).

    Args:
        image: the source, RGB uint8 (H, H, 3), of the persona's size.
        labels: its parser classes, (h, h) uint8.
        landmarks: its face mesh, (478, 2 or more) in [0, 1].
    """
    size = image.shape[0]
    worn = warp(persona.image, persona.landmarks, landmarks[:, :2])
    # A turned head stretches the persona's rim: beyond its face lie its ears and hair.
    valid = warp(persona.face, persona.landmarks, landmarks[:, :2])[..., 0]
    mask = face_mask(labels, landmarks, size)
    mask = mask * np.clip(cv2.GaussianBlur(valid, (0, 0), size / 80) / 127.5 - 1, 0, 1)
    own = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    new = cv2.cvtColor(worn.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    inside = (mask > 0.3).astype(np.float32)
    sigma = size * 0.09
    low_own, low_new = _low_band(own, inside, sigma), _low_band(new, inside, sigma)
    # Contrast follows the light: full features on a dark face would look pasted.
    gain = np.clip(low_own[..., :1] / np.maximum(low_new[..., :1], 5), 0.6, 1.15)
    painted = low_own + (new - low_new) * gain
    blended = own + mask[..., None] * (painted - own)
    out = cv2.cvtColor(blended.astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(out.clip(0, 1) * 255 + 0.5, dtype=np.uint8)
