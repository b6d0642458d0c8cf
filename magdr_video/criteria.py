"""The distances D of the paper (section 3.2.1), whole or under soft masks.

All take images (F, C, H, W) in [0, 1] and give larger values for images further apart. A mask
multiplies the pointwise difference once and the sum is divided by the soft area S_i = sum(M_i),
which for 0/1 masks is eq. 4; dividing SSIM or PSNR by a pixel count, as the letter of eq. 4 has
it, would be meaningless.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Criterion = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""Two images (F, C, S, S) and masks (F, R, S, S) or None to distances (F, R); R = 1 without."""

Features = Callable[[Tensor], Tensor]
"""Images (F, 3, S, S) in [0, 1] to deep features (F, C, h, w)."""

PSNR_CAP = 60.0
"""dB; an untouched region would be infinitely good."""

_SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5


def masked_mean(values: Tensor, masks: Tensor | None) -> Tensor:
    """Mean of a map (F, 1, H, W) under each of R masks (F, R, H, W): (F, R); (F, 1) without."""
    if masks is None:
        return values.mean(dim=(1, 2, 3))[:, None]
    area = masks.sum(dim=(2, 3)).clamp(min=1e-6)
    return (values * masks).sum(dim=(2, 3)) / area


def l1(u: Tensor, v: Tensor, masks: Tensor | None = None) -> Tensor:
    """Mean absolute difference, (F, R)."""
    return masked_mean((u - v).abs().mean(dim=1, keepdim=True), masks)


def l2(u: Tensor, v: Tensor, masks: Tensor | None = None) -> Tensor:
    """Mean squared difference, (F, R)."""
    return masked_mean((u - v).square().mean(dim=1, keepdim=True), masks)


def psnr(u: Tensor, v: Tensor, masks: Tensor | None = None) -> Tensor:
    """`PSNR_CAP` minus the peak signal-to-noise ratio in dB, in [0, 60 and more): a distance."""
    ratio = -10 * torch.log10(l2(u, v, masks).clamp(min=10 ** (-PSNR_CAP / 10)))
    return PSNR_CAP - ratio


def psnr_db(u: Tensor, v: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of each image, peak 1, capped at `PSNR_CAP`: (F,)."""
    return PSNR_CAP - psnr(u, v)[:, 0]


def _window(image: Tensor) -> Tensor:
    offsets = torch.arange(_SSIM_WINDOW, dtype=image.dtype, device=image.device)
    weights = torch.exp(-((offsets - _SSIM_WINDOW // 2) ** 2) / (2 * _SSIM_SIGMA**2))
    return weights / weights.sum()


def _blur(image: Tensor, window: Tensor) -> Tensor:
    channels, reach = image.shape[1], _SSIM_WINDOW // 2
    row = window[None, None, None, :].expand(channels, 1, 1, -1)
    padded = F.pad(image, (reach, reach, reach, reach), mode="replicate")
    across = F.conv2d(padded, row, groups=channels)
    out: Tensor = F.conv2d(across, row.transpose(2, 3), groups=channels)
    return out


class Images:
    """Images that are compared with several others: what SSIM reads of them alone is made once.

    Args:
        data: (F, C, H, W) in [0, 1].
    """

    def __init__(self, data: Tensor) -> None:
        self.data = data

    @functools.cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Means of the values and of their squares under SSIM's window, (F, C, H, W) each."""
        both = torch.cat([self.data, self.data * self.data])
        mean, power = _blur(both, _window(self.data)).chunk(2)
        return mean, power


def _images(given: Tensor | Images) -> Images:
    return given if isinstance(given, Images) else Images(given)


def ssim_map(u: Tensor | Images, v: Tensor | Images) -> Tensor:
    """Structural similarity (Wang et al. 2004) at each pixel, mean over channels: (F, 1, H, W).

    Gaussian window 11, sigma 1.5, data range 1, no downsampling, borders replicated.
    """
    one, other = _images(u), _images(v)
    (mean_u, uu), (mean_v, vv) = one.moments, other.moments
    uv = _blur(one.data * other.data, _window(one.data))
    var_u, var_v, cov = uu - mean_u**2, vv - mean_v**2, uv - mean_u * mean_v
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_u * mean_v + c1) * (2 * cov + c2)
    bottom = (mean_u**2 + mean_v**2 + c1) * (var_u + var_v + c2)
    return (top / bottom).mean(dim=1, keepdim=True)


def ssim(u: Tensor | Images, v: Tensor | Images, masks: Tensor | None = None) -> Tensor:
    """One minus structural similarity, (F, R)."""
    return 1 - masked_mean(ssim_map(u, v), masks)


def cosine(u: Tensor, v: Tensor, masks: Tensor | None = None) -> Tensor:
    """One minus the cosine of features (F, C, h, w) at each place; masks reduced to h x w."""
    similarity = F.cosine_similarity(u, v, dim=1)[:, None]
    if masks is not None and masks.shape[-2:] != u.shape[-2:]:
        masks = F.adaptive_avg_pool2d(masks, (u.shape[-2], u.shape[-1]))
    return 1 - masked_mean(similarity, masks)


CRITERIA: Mapping[str, Criterion] = {"l1": l1, "l2": l2, "ssim": ssim, "psnr": psnr}
"""The criteria that need images only."""

DEEP = "cos"
"""The cosine of a generator's own deep features, the one criterion that needs a network."""


def distances(
    u: Tensor | Images,
    v: Tensor | Images,
    names: Sequence[str],
    masks: Tensor | None = None,
    *,
    features: Features | None = None,
) -> Tensor:
    """Several criteria at once: (F, R, J) in the order of `names`; R = 1 without masks.

    Args:
        u: images (F, 3, S, S) in [0, 1]; as `Images` where they are compared several times.
        v: images of the same shape.
        names: of `CRITERIA`, or `DEEP`.
        masks: (F, R, S, S) in [0, 1]; without them each criterion is taken over the whole image.
        features: Phi of METHOD 5.1, needed by `DEEP`: the generator's last residual block with
            its condition planes at zero. It costs an encoder pass for each of u and v.

    Raises:
        ValueError: an unknown name, or `DEEP` without features.
    """
    one, other = _images(u), _images(v)
    return torch.stack([_distance(one, other, name, masks, features) for name in names], dim=-1)


def _distance(
    u: Images, v: Images, name: str, masks: Tensor | None, features: Features | None
) -> Tensor:
    if name == DEEP and features is not None:
        return cosine(features(u.data), features(v.data), masks)
    if name == DEEP:
        raise ValueError(f"criterion '{DEEP}' needs the generator's features")
    if name not in CRITERIA:
        raise ValueError(f"'{name}' is no criterion; allowed: {', '.join((*CRITERIA, DEEP))}")
    if name == "ssim":
        return ssim(u, v, masks)
    return CRITERIA[name](u.data, v.data, masks)
