"""The columns of Table 2: distances between two images.

Images are (F, 3, S, S) in [0, 1]; every measure is one number a face, (F,).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.attacks.success import DISRUPTED
from magdr_video.criteria import psnr_db, ssim
from magdr_video.errors import UsageError


def image_measures(u: Tensor, v: Tensor) -> dict[str, Tensor]:
    """MSE and RMSE in units of 255, L2 norm in [-1, 1] units, PSNR in dB, SSIM."""
    mse = (u - v).square().mean(dim=(1, 2, 3))
    return {
        "mse255": mse * 255**2,
        "rmse255": mse.sqrt() * 255,
        "l2": 2 * (u - v).square().sum(dim=(1, 2, 3)).sqrt(),
        "psnr": psnr_db(u, v),
        "ssim": 1 - ssim(u, v)[:, 0],
    }


def fsim(u: Tensor, v: Tensor) -> Tensor:
    """Feature similarity index (Zhang et al. 2011), by piq; colour, data range 1.

    Raises:
        UsageError: piq is not installed.
    """
    try:
        from piq import fsim as measure
    except ImportError as error:
        hint = 'pip install "magdr-video[benchmark]"'
        raise UsageError("the column FSIM needs piq", hint=hint) from error
    out: Tensor = measure(u.clamp(0, 1), v.clamp(0, 1), reduction="none", data_range=1.0)
    return out


def feature_cosine(u: Tensor, v: Tensor) -> Tensor:
    """Mean over places of the cosine of features (F, C, h, w): the reading of METHOD 9.4."""
    return F.cosine_similarity(u, v, dim=1).mean(dim=(1, 2))


def as_rate(values: Tensor, threshold: float = DISRUPTED) -> Tensor:
    """1 where a damage is above the threshold, 0 where not, NaN where undefined: (F,)."""
    above = (values > threshold).to(values)
    return torch.where(values.isnan(), values, above)


def flicker(pictures: Tensor, wanted: Tensor) -> float:
    """Mean absolute change from frame to frame over that of what is wanted (METHOD 10)."""
    return _change(pictures) / max(_change(wanted), 1e-9)


def _change(pictures: Tensor) -> float:
    return float((pictures[1:] - pictures[:-1]).abs().mean())
