"""How noisy a picture is."""

from __future__ import annotations

import math

from torch import Tensor

MAD_TO_DEVIATION = 1 / 0.6744897501960817
"""Median of |x| to standard deviation of Gaussian x (Donoho and Johnstone 1994)."""


def estimate_noise(images: Tensor) -> Tensor:
    """Standard deviation of the noise of each image, (F,), in units of [0, 1].

    Donoho's estimate: median absolute deviation of the finest diagonal Haar coefficients of the
    luma, divided by 0.6745.
    """
    luma = images.mean(dim=1)
    even = luma[:, : luma.shape[1] // 2 * 2, : luma.shape[2] // 2 * 2]
    a, b = even[:, ::2, ::2], even[:, ::2, 1::2]
    c, d = even[:, 1::2, ::2], even[:, 1::2, 1::2]
    diagonal = (a - b - c + d) / 2
    middle: Tensor = diagonal.abs().flatten(1).median(dim=1).values
    # The luma of independent channels has noise reduced by sqrt(3).
    return middle * MAD_TO_DEVIATION * math.sqrt(3)
