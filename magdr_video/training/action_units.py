"""Action units from face-mesh landmarks, and landmarks moved until they show others.

Every unit is read as a distance on the mesh, in a frame that similarity leaves alone, and scaled
so that 0 is at rest and 1 is strong. Moving goes the other way: each unit pushes the points that
its muscle moves (Ekman and Friesen's Facial Action Coding System), and a few damped Gauss-Newton
steps find the pushes after which the mesh reads as asked.

Landmarks are MediaPipe's 478 (face mesh with iris); x and y in [0, 1] of the image.
Left and right are those of the image, not of the person.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from magdr_video.models.ganimation import ACTION_UNITS

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

TAUGHT_EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "neutral": (),
    "happy": ("AU06", "AU12", "AU25"),
    "surprised": ("AU01", "AU02", "AU05", "AU25", "AU26"),
    "angry": ("AU04", "AU07", "AU23"),
    "sad": ("AU01", "AU04", "AU15", "AU17"),
    "blink": ("AU45",),
}
"""Units at full strength in the expressions that pairs are drawn from (after EMFACS, reduced to
the 17); `models.conditions` names more for users."""

UPPER_LIDS = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
)
LOWER_LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (263, 249, 390, 373, 374, 380, 381, 382, 362),
)
LID_CREASES = (
    (130, 247, 30, 29, 27, 28, 56, 190, 243),
    (359, 467, 260, 259, 257, 258, 286, 414, 463),
)
"""Rows of the eyes, outer corner to inner corner, left eye and right eye; the rows match."""

_UPPER_LIP_ROWS = (
    (185, 40, 39, 37, 0, 267, 269, 270, 409),
    (184, 74, 73, 72, 11, 302, 303, 304, 408),
    (183, 42, 41, 38, 12, 268, 271, 272, 407),
    (191, 80, 81, 82, 13, 312, 311, 310, 415),
)
_LOWER_LIP_ROWS = (
    (146, 91, 181, 84, 17, 314, 405, 321, 375),
    (77, 90, 180, 85, 16, 315, 404, 320, 307),
    (96, 89, 179, 86, 15, 316, 403, 319, 325),
    (95, 88, 178, 87, 14, 317, 402, 318, 324),
)
UPPER_LIP = tuple(i for row in _UPPER_LIP_ROWS for i in row)
LOWER_LIP = tuple(i for row in _LOWER_LIP_ROWS for i in row)
INNER_LIPS = (78, *_UPPER_LIP_ROWS[3], 308, *_LOWER_LIP_ROWS[3][::-1])
"""The rim of the mouth's opening, clockwise from the left corner."""
IRISES = tuple(range(468, 478))

_EYES = tuple(i for rows in (UPPER_LIDS, LOWER_LIDS) for row in rows for i in row) + IRISES

_REST = np.array(
    [0.285, 0.275, 0.205, 0.330, -0.375, -0.025, -0.610, -0.185, 0.375,
     -0.005, 0.020, 0.580, 0.930, -0.200, 0.020, 1.180, -0.200], dtype=np.float32
)  # fmt: skip
"""Reading of each unit at rest: near the 70th percentile of the OMI faces, or by hand."""

_SPAN = np.array(
    [0.130, 0.120, 0.100, 0.120, 0.080, 0.045, 0.090, 0.080, 0.130,
     0.060, 0.100, 0.120, 0.200, 0.080, 0.200, 0.320, 0.150], dtype=np.float32
)  # fmt: skip
"""How far above rest the reading of a unit at full strength lies, in eye distances."""


def normalise(landmarks: Array) -> tuple[Array, Array, float]:
    """Put the middle of the eyes at (0, 0), with the eyes level and one unit apart.

    Args:
        landmarks: (478, 2 or more), x and y.

    Returns:
        Points (478, 2); the turn (2, 2), whose rows are the axes in the image; the eye distance.
    """
    points = landmarks[:, :2].astype(np.float32)
    left, right = points[[33, 133]].mean(axis=0), points[[263, 362]].mean(axis=0)
    distance = float(np.linalg.norm(right - left))
    across = (right - left) / distance
    turn = np.stack([across, np.array([-across[1], across[0]])])
    return (points - (left + right) / 2) @ turn.T / distance, turn, distance


def _raw(points: Array) -> Array:
    """The 17 distances of normalised meshes (..., 478, 2), before scaling: (..., 17)."""

    def x(*index: int) -> Array:
        held: Array = points[..., index, 0].mean(axis=-1)
        return held

    def y(*index: int) -> Array:
        held: Array = points[..., index, 1].mean(axis=-1)
        return held

    lower_lids = y(144, 145, 153, 373, 374, 380)
    eye_width = (x(133) - x(33) + x(263) - x(362)) / 2
    opening = (lower_lids - y(160, 159, 158, 387, 386, 385)) / eye_width
    inner_brows = -y(55, 107, 285, 336)
    width, lips_width = x(291) - x(61), x(405, 321) - x(181, 91)
    lift = y(13, 82, 312) - y(61, 291)
    gap = y(14, 87, 317) - y(13, 82, 312)
    thickness = y(13, 82, 312) - y(0, 37, 267) + y(17, 84, 314) - y(14, 87, 317)
    readings = [
        inner_brows,  # AU01 inner brow raiser
        -y(46, 70, 63, 276, 300, 293),  # AU02 outer brow raiser
        0.75 - (x(285, 336) - x(55, 107)) - 0.5 * inner_brows,  # AU04 brow lowerer
        opening,  # AU05 upper lid raiser
        -y(118, 101, 50, 347, 330, 280),  # AU06 cheek raiser
        -lower_lids,  # AU07 lid tightener
        -y(98, 64, 48, 327, 294, 278),  # AU09 nose wrinkler
        y(2, 97, 326) - y(0, 37, 267),  # AU10 upper lip raiser
        lift + 0.4 * width,  # AU12 lip corner puller
        width - 1.5 * lips_width,  # AU14 dimpler
        -lift,  # AU15 lip corner depressor
        y(152) - y(17),  # AU17 chin raiser
        width - 1.5 * lift - 0.6 * gap,  # AU20 lip stretcher
        -thickness,  # AU23 lip tightener
        gap,  # AU25 lips part
        y(152) - y(2) + 0.5 * gap,  # AU26 jaw drop
        -opening,  # AU45 blink
    ]
    return np.stack(readings, axis=-1)


def _scaled(points: Array) -> Array:
    """Intensities (..., 17) of normalised meshes, not clipped."""
    held: Array = (_raw(points) - _REST) / _SPAN
    return held


def measure(landmarks: Array) -> Array:
    """Action units (17,) float32 in [0, 1], in the order of `ACTION_UNITS`.

    Args:
        landmarks: (478, 2 or more), in the image. Heads turned by more than about 20 degrees
            are read wrongly: distances are taken in the image plane.
    """
    points, _, _ = normalise(landmarks)
    return np.clip(_scaled(points), 0, 1).astype(np.float32)


_FIELDS = (
    # unit, left points, right points, outward, downward, reach (eye distances), rows it spares
    ("AU01", (55, 107), (285, 336), 0.0, -0.13, 0.16, "eyes"),
    ("AU02", (46, 53, 63, 70), (276, 283, 293, 300), 0.0, -0.12, 0.16, "eyes"),
    ("AU04", (55, 65, 66, 107), (285, 295, 296, 336), -0.05, 0.07, 0.13, "eyes"),
    ("AU06", (50, 101, 118), (280, 330, 347), 0.0, -0.08, 0.16, "lips"),
    ("AU09", (48, 64, 98, 129), (278, 294, 327, 358), 0.0, -0.08, 0.14, "lips"),
    ("AU10", (37, 0, 39), (267, 0, 269), 0.0, -0.08, 0.12, "lower"),
    ("AU12", (61, 76), (291, 306), 0.08, -0.09, 0.15, ""),
    ("AU12", (205, 50), (425, 280), 0.01, -0.03, 0.16, "lips"),
    ("AU14", (61, 76), (291, 306), 0.05, 0.0, 0.07, ""),
    ("AU15", (61, 76), (291, 306), 0.01, 0.10, 0.12, ""),
    ("AU17", (17, 84, 18, 83), (17, 314, 18, 313), 0.0, -0.10, 0.14, "upper"),
    ("AU20", (61, 91, 40), (291, 321, 270), 0.10, 0.02, 0.18, ""),
    ("AU23", (0, 37, 39, 40), (0, 267, 269, 270), 0.0, 0.03, 0.06, "lower"),
    ("AU23", (17, 84, 181, 91), (17, 314, 405, 321), 0.0, -0.05, 0.06, "upper"),
)
"""Pushes as Gaussian bumps around the points that a unit's muscle moves."""


def _spared(points: Array, rows: str) -> Array:
    """Which of the points a field must leave alone, bool (478,)."""
    spared = np.zeros(len(points), dtype=bool)
    if rows == "eyes":
        spared[list(_EYES)] = True
    elif rows == "lips":
        spared[[*UPPER_LIP, *LOWER_LIP, 61, 76, 62, 78, 291, 306, 292, 308]] = True
    elif rows == "lower":
        spared = _below_mouth(points)
    elif rows == "upper":
        spared = ~_below_mouth(points)
    return spared


def _below_mouth(points: Array) -> Array:
    """Points that go with the jaw: the lower lip and all below the mouth, bool (478,)."""
    below: Array = points[:, 1] > points[[61, 291], 1].mean()
    below[list(UPPER_LIP)] = False
    below[list(LOWER_LIP)] = True
    return below


def _bump(points: Array, centres: tuple[int, ...], reach: float) -> Array:
    """Weight of each point by its distance to the nearest centre: (478,), 1 at a centre."""
    away = np.linalg.norm(points[:, None] - points[list(centres)][None], axis=-1).min(axis=1)
    weight: Array = np.exp(-0.5 * (away / reach) ** 2)
    return weight


def _jaw(points: Array) -> Array:
    """Share of the jaw's way down that each point takes: (478,)."""
    corner, middle = points[[61, 291], 1].mean(), points[[61, 291], 0].mean()
    half = abs(points[291, 0] - points[61, 0]) / 2
    sideways = (points[:, 0] - middle) / half
    weight = np.clip((points[:, 1] - corner + 0.03) / 0.2, 0, 1) * np.exp(-((sideways / 2.2) ** 4))
    lip = list(LOWER_LIP)
    weight[lip] = np.clip(1 - sideways[lip] ** 2, 0, 1)
    return np.where(_below_mouth(points), weight, 0)


def _lips_apart(points: Array) -> Array:
    """AU25: both lips leave the line between them, the lower one most; (478, 2)."""
    push = np.zeros_like(points)
    push[:, 1] = 0.13 * _jaw(points) * _bump(points, (17, 84, 314, 14), 0.16)
    middle = points[[61, 291], 0].mean()
    sideways = (points[:, 0] - middle) / (abs(points[291, 0] - points[61, 0]) / 2)
    lip = list(UPPER_LIP)
    push[lip, 1] = -0.06 * np.clip(1 - sideways[lip] ** 2, 0, 1)
    return push


def _lids(points: Array) -> tuple[Array, Array, Array]:
    """AU05, AU07 and AU45: the lids and their creases; three of (478, 2).

    The push of AU45 is each eye's own opening, so that at 1 the lids of any eye just meet.
    """
    wide, tight, shut = (np.zeros_like(points) for _ in range(3))
    for upper, lower, crease in zip(UPPER_LIDS, LOWER_LIDS, LID_CREASES, strict=True):
        arch = np.sin(np.linspace(0, np.pi, len(upper)))
        opening = points[list(lower), 1] - points[list(upper), 1]
        wide[list(upper), 1] = -0.05 * arch
        wide[list(crease), 1] = -0.03 * arch
        shut[list(upper), 1] = 0.85 * opening
        shut[list(lower), 1] = -0.1 * opening
        shut[list(crease), 1] = 0.35 * opening
        for row, corner in ((wide, 0.0), (shut, 0.0), (tight, 0.0)):
            row[[upper[0], upper[-1]], 1] = corner
        tight[list(lower), 1] = -0.045 * arch
    return wide, tight, shut


def fields(points: Array) -> Array:
    """The push of each unit on a normalised mesh, (17, 478, 2), for a rise of about 1."""
    index = {unit: i for i, unit in enumerate(ACTION_UNITS)}
    pushes = np.zeros((len(ACTION_UNITS), *points.shape), dtype=np.float32)
    for unit, left, right, outward, downward, reach, rows in _FIELDS:
        for centres, side in ((left, -1), (right, 1)):
            weight = np.where(_spared(points, rows), 0, _bump(points, centres, reach))
            pushes[index[unit], :, 0] += side * outward * weight
            share = weight if left != right else weight / 2
            pushes[index[unit], :, 1] += downward * share
    pushes[index["AU05"]], pushes[index["AU07"]], pushes[index["AU45"]] = _lids(points)
    pushes[index["AU25"]] = _lips_apart(points)
    pushes[index["AU26"], :, 1] = 0.30 * _jaw(points)
    return pushes


def displace(landmarks: Array, target: Array, *, steps: int = 6, damping: float = 0.1) -> Array:
    """Move a mesh until it reads as asked.

    Args:
        landmarks: (478, 2 or more), in the image.
        target: (17,) in [0, 1]. A unit that already reads as asked is not pushed, so asking for
            a face's own units returns the mesh unchanged.
        steps: Gauss-Newton steps.
        damping: weight of the pushes against the residual; keeps units that hinder each other
            (AU12 and AU15, AU05 and AU45) from growing without end.

    Returns:
        Points (478, 2), in the image.
    """
    points, turn, distance = normalise(landmarks)
    pushes = fields(points)
    slope = (_scaled(points + pushes * 0.5) - _scaled(points)).T / 0.5
    inverse = np.linalg.inv(slope.T @ slope + damping * np.eye(len(slope), dtype=np.float32))
    amount = np.zeros(len(slope), dtype=np.float32)
    for _ in range(steps):
        moved = points + np.tensordot(amount, pushes, axes=1)
        reading = _scaled(moved)
        missing = target - np.clip(reading, 0, 1)
        # Below rest there is room before a unit shows; go all the way when it must rise.
        missing = np.where((missing > 1e-4) & (reading < 0), target - reading, missing)
        missing = np.where((missing < -1e-4) & (reading > 1), target - reading, missing)
        if np.abs(missing).max() < 1e-3:
            break
        amount += inverse @ (slope.T @ missing)
        amount = np.clip(amount, -1.8, 1.8)
    shift = np.tensordot(amount, pushes, axes=1) @ turn * distance
    held: Array = (landmarks[:, :2] + shift).astype(np.float32)
    return held
