"""What tells without a generator pass whether a face is still what it was."""

from __future__ import annotations

import numpy as np

from magdr_video.reconstruction.cache import Signs
from magdr_video.transforms import estimate_noise
from magdr_video.types import FaceCrops


def signs_of(crops: FaceCrops) -> list[Signs]:
    """Noise and scale of each crop, F values."""
    scales = np.sqrt(np.abs(np.linalg.det(crops.affine[:, :, :2])))
    return [
        Signs(noise, float(scale))
        for noise, scale in zip(estimate_noise(crops.data).tolist(), scales, strict=True)
    ]
