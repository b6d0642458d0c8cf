"""The wavelet denoising of Prakash et al. and Mustafa et al.: BayesShrink, soft, in YCbCr."""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.transforms.wavelet import wavelet_haar

_TO_YCBCR = (
    (0.299, 0.587, 0.114),
    (-0.168736, -0.331264, 0.5),
    (0.5, -0.418688, -0.081312),
)
"""BT.601, full range, chroma around 0."""


def wavelet_ycbcr(images: Tensor, *, sigma: float) -> Tensor:
    """Shrink Haar coefficients of each YCbCr plane.

    The published code calls scikit-image of 2018, which stretches every plane to [0, 1] before it
    takes `sigma` as the deviation of its noise: in chroma, whose range is small, that is far
    gentler than the number says. So it is here.

    Args:
        images: (F, 3, S, S) in [0, 1].
        sigma: deviation of the noise, relative to the range of each plane.
    """
    matrix = images.new_tensor(_TO_YCBCR)
    planes = torch.einsum("ij,fjhw->fihw", matrix, images)
    low = planes.amin(dim=(2, 3), keepdim=True)
    reach = (planes.amax(dim=(2, 3), keepdim=True) - low).clamp(min=1e-6)
    shrunk = wavelet_haar((planes - low) / reach, noise=sigma) * reach + low
    return torch.einsum("ij,fjhw->fihw", torch.linalg.inv(matrix), shrunk).clamp(0, 1)
