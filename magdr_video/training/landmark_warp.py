"""Warp a face so that its landmarks lie elsewhere, and fill a mouth that opens.

The supervision of the reenactment generator: the same face before and after a warp is a pair.
A mouth that opens shows what the photo does not hold; its inside is taken from one of a few
faces that hold an open mouth, always the same ones, so that a generator can learn it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.interpolate import LinearNDInterpolator

from magdr_video.training.action_units import INNER_LIPS, IRISES, Array, normalise

_FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
_MOVING = np.array([i for i in range(478) if i not in IRISES])
"""The irises are left out: a lid slides over them."""


@dataclass(frozen=True)
class OpenMouth:
    """A face whose mouth is open, as a source of mouth insides.

    Attributes:
        image: RGB uint8 (H, H, 3).
        rim: inner lips (20, 2) in [0, 1], in the order of `INNER_LIPS`.
        slenderness: height of the opening over its width.
        light: mean of the image under the cheeks, 0..255.
    """

    image: Array
    rim: Array
    slenderness: float
    light: float


def open_mouth(image: Array, landmarks: Array) -> OpenMouth:
    """Take the mouth of an image (H, H, 3) uint8 with its landmarks (478, 2 or more)."""
    rim = landmarks[list(INNER_LIPS), :2].astype(np.float32)
    return OpenMouth(image, rim, _slenderness(rim), _cheek_light(image, landmarks))


def _slenderness(rim: Array) -> float:
    width = float(np.linalg.norm(rim[10] - rim[0]))
    return float(np.linalg.norm(rim[15] - rim[5])) / max(width, 1e-6)


def _cheek_light(image: Array, landmarks: Array) -> float:
    """Mean of a few pixels on both cheeks, 0..255."""
    at = np.clip(landmarks[[50, 205, 280, 425], :2] * image.shape[0], 0, image.shape[0] - 1)
    rows, columns = at.astype(int)[:, 1], at.astype(int)[:, 0]
    return float(image[rows, columns].mean())


def _anchors(landmarks: Array) -> Array:
    """Points that no expression moves: the image's border and a ring around the head."""
    line = np.linspace(-0.05, 1.05, 9, dtype=np.float32)
    low, high = np.full(9, -0.05, np.float32), np.full(9, 1.05, np.float32)
    sides = [(line, low), (line, high), (low[:-2], line[1:-1]), (high[:-2], line[1:-1])]
    border = np.concatenate([np.stack([x, y], axis=1) for x, y in sides])
    oval = landmarks[list(_FACE_OVAL), :2]
    ring = oval.mean(axis=0) + (oval - oval.mean(axis=0)) * 1.3
    return np.concatenate([border, ring[(np.abs(ring - 0.5) < 0.54).all(axis=1)]])


def warp(image: Array, source: Array, target: Array) -> Array:
    """Move the landmarks of an image, piecewise linearly between them; the border stays.

    Convention: backward map, (x, y), pixel centres at integers + 0.5 over the side.

    Args:
        image: uint8 (H, H, 3).
        source: landmarks in the image, (478, 2 or more) in [0, 1].
        target: where they shall be, (478, 2).
    """
    size = image.shape[0]
    fixed = _anchors(source)
    before = np.concatenate([source[_MOVING, :2], fixed])
    after = np.concatenate([target[_MOVING, :2], fixed])
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    shift = LinearNDInterpolator(after, before - after, fill_value=0.0)(grid).astype(np.float32)
    shift = cv2.GaussianBlur(shift, (0, 0), size / 600)
    where = (grid + shift) * size - 0.5
    moved: Array = cv2.remap(
        image, where, None, interpolation=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )
    return moved


def flows(meshes: Array, base: Array, size: int) -> Array:
    """Where each mesh's pixels are found in the other meshes' images, (V, V, size, size, 2).

    Entry [b, a] samples the image of mesh b from that of mesh a (backward, (x, y), pixel centres),
    in half sides of the image.

    Args:
        meshes: (V, 478, 2) in [0, 1], of one face.
        base: (478, 2 or more), the face as photographed: what lies around it does not move.
        size: side of the flow fields.
    """
    fixed = _anchors(base)
    points = np.concatenate([meshes[:, _MOVING], np.repeat(fixed[None], len(meshes), 0)], axis=1)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    fields = []
    for after in points:
        shifts = (points - after).transpose(1, 0, 2).reshape(len(after), -1)
        held = LinearNDInterpolator(after, shifts, fill_value=0.0)(grid)
        fields.append(held.reshape(size, size, len(meshes), 2).transpose(2, 0, 1, 3))
    return np.stack(fields).astype(np.float32) * 2


def _inside(rim: Array, size: int) -> Array:
    """Soft mask of the mouth's opening, float32 (size, size, 1); 0 for a closed one."""
    mask = np.zeros((size * 4, size * 4), np.uint8)
    cv2.fillPoly(mask, [np.rint(rim * size * 4).astype(np.int32)], 255)
    soft = cv2.resize(mask, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    blurred: Array = cv2.GaussianBlur(soft, (0, 0), size / 350)[..., None]
    return blurred


def _shadow(rim: Array, mask: Array, size: int) -> Array:
    """Darkens the inside towards its rim, as lips do; float32 like the mask."""
    height = float(np.linalg.norm(rim[15] - rim[5])) * size
    inner = cv2.GaussianBlur(mask[..., 0], (0, 0), max(0.18 * height, 0.5))[..., None]
    shade: Array = np.clip(0.35 + 0.75 * inner, 0, 1)
    return shade


def fill_mouth(image: Array, landmarks: Array, mouth: OpenMouth) -> Array:
    """Put the inside of another mouth into the opening of this one.

    Args:
        image: uint8 (H, H, 3), warped already.
        landmarks: of the warped image, (478, 2 or more).
        mouth: where the inside comes from; its light is matched to the cheeks.
    """
    size, side = image.shape[0], mouth.image.shape[0]
    rim = landmarks[list(INNER_LIPS), :2].astype(np.float32)
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    mask = _inside(rim, size)
    box = cv2.boundingRect(np.rint(rim * size).astype(np.int32))
    left, top = max(box[0] - 2, 0), max(box[1] - 2, 0)
    patch = (slice(top, box[1] + box[3] + 2), slice(left, box[0] + box[2] + 2))
    spread = np.concatenate([rim, rim.mean(axis=0) + (rim - rim.mean(axis=0)) * 1.5])
    held = mouth.rim.mean(axis=0) + (mouth.rim - mouth.rim.mean(axis=0)) * 1.5
    donor = LinearNDInterpolator(spread, np.concatenate([mouth.rim, held]), fill_value=0.5)
    where = np.full((size, size, 2), -9, np.float32)
    where[patch] = donor(grid[patch]).astype(np.float32) * side - 0.5
    inside = cv2.remap(mouth.image, where, None, interpolation=cv2.INTER_LINEAR)
    gain = np.clip(_cheek_light(image, landmarks) / mouth.light, 0.5, 1.2)
    inside = np.clip(inside * gain, 0, 255) * _shadow(rim, mask, size)
    filled: Array = np.rint(image * (1 - mask) + inside * mask).astype(np.uint8)
    return filled


def expressive(image: Array, source: Array, target: Array, mouths: tuple[OpenMouth, ...]) -> Array:
    """Warp a face to target landmarks and fill its mouth when it opens by more than it held.

    Args:
        image: uint8 (H, H, 3).
        source: landmarks in the image; target: where they shall be (`displace`).
        mouths: insides to choose from; the nearest in slenderness is taken.
    """
    moved = warp(image, source, target)
    before, after = normalise(source)[0], normalise(target)[0]
    gap_before = float(before[14, 1] - before[13, 1])
    gap_after = float(after[14, 1] - after[13, 1])
    if gap_after < 0.03 or gap_after < 1.4 * gap_before + 0.01:
        return moved
    wanted = _slenderness(target[list(INNER_LIPS), :2])
    mouth = min(mouths, key=lambda held: abs(np.log(held.slenderness / max(wanted, 0.05))))
    return fill_mouth(moved, target, mouth)
