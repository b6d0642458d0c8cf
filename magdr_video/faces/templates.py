"""Where a model wants the eyes, the nose and the mouth, and the similarity that puts them there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from magdr_video.errors import SettingsError, nearest

_TEMPLATES: dict[str, tuple[tuple[float, float], ...]] = {
    # mean over the 2,254 OMI images (StyleGAN2 faces in FFHQ alignment) of MediaPipe's iris
    # centres 468 and 473, nose tip 1, mouth corners 61 and 291
    "ffhq": (
        (0.37430, 0.47065),
        (0.62259, 0.46992),
        (0.50875, 0.63579),
        (0.38513, 0.72669),
        (0.61363, 0.72646),
    ),
    # the five points of CelebA's aligned 178x218 images, (69, 111) (108, 111) (88, 136)
    # (72, 152) (105, 152), in the centre crop of 178x178 that StarGAN takes (20 px off the top)
    "celeba": (
        (69 / 178, 91 / 178),
        (108 / 178, 91 / 178),
        (88 / 178, 116 / 178),
        (72 / 178, 132 / 178),
        (105 / 178, 132 / 178),
    ),
    # estimated, not taken from OpenFace: its `-simalign -simsize 128` scales a mean shape with
    # about 65 units between the pupils by 0.7 px and centres the mean of the 68 points, which
    # lies 0.57 eye distances below the eyes; the five points of "ffhq" put there
    "openface": (
        (0.3225, 0.2985),
        (0.6775, 0.2985),
        (0.5000, 0.5363),
        (0.3380, 0.6645),
        (0.6620, 0.6645),
    ),
}

ALIGNMENTS = (*_TEMPLATES, "box")
"""Names that `align` knows; 'box' has no template."""

_BOX_MARGIN = 1.3
"""Side of the square crop over the longer side of the box, as FaceForensics++ cuts its faces
(Roessler et al. 2019)."""


def template(name: str, size: int) -> NDArray[np.float64]:
    """The five points of an alignment.

    Args:
        name: 'ffhq', 'celeba' or 'openface'.
        size: side S of the crop in pixels.

    Returns:
        (5, 2) x y in crop pixels, centres at integer + 0.5, in the order of `Faces.landmarks`.

    Raises:
        SettingsError: no such template.
    """
    if name not in _TEMPLATES:
        raise SettingsError(
            f"alignment '{name}' has no template", hint=nearest(name, list(_TEMPLATES))
        )
    return np.array(_TEMPLATES[name], np.float64) * size


def similarity(points: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """Least-squares similarity from points to a target (Umeyama 1991, no reflection).

    In the plane, with points as complex numbers, it is the line w = a z + b of best fit.

    Args:
        points: (F, P, 2), P >= 2.
        target: (P, 2) or (F, P, 2).

    Returns:
        (F, 2, 3) affine matrices, (x, y) order. Where all points of a face coincide, the scale
        is 0 and everything maps to the target's centre.
    """
    z = points[..., 0].astype(np.float64) + 1j * points[..., 1]
    w = np.broadcast_to(target[..., 0] + 1j * np.asarray(target[..., 1], np.float64), z.shape)
    z_mean, w_mean = z.mean(-1, keepdims=True), w.mean(-1, keepdims=True)
    spread = np.maximum((np.abs(z - z_mean) ** 2).sum(-1), 1e-12)
    a = (np.conj(z - z_mean) * (w - w_mean)).sum(-1) / spread
    b = w_mean[..., 0] - a * z_mean[..., 0]
    rows = np.stack([a.real, -a.imag, b.real, a.imag, a.real, b.imag], axis=-1)
    return rows.reshape(*a.shape, 2, 3)


def box_affine(
    boxes: NDArray[np.floating], size: int, margin: float = _BOX_MARGIN
) -> NDArray[np.float64]:
    """Upright square around each box.

    Args:
        boxes: (F, 4) x0 y0 x1 y1.
        size: side S of the crop in pixels.
        margin: side of the square over the longer side of the box.

    Returns:
        (F, 2, 3) affine matrices from the boxes' pixels to crop pixels.
    """
    whole = np.asarray(boxes, np.float64)
    side = np.maximum((whole[:, 2:] - whole[:, :2]).max(-1), 1.0) * margin
    corner = (whole[:, :2] + whole[:, 2:]) / 2 - side[:, None] / 2
    affine = np.zeros((len(whole), 2, 3))
    affine[:, 0, 0] = affine[:, 1, 1] = size / side
    affine[:, :, 2] = -corner * (size / side)[:, None]
    return affine
