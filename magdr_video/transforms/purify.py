"""The learned purifier as a transform, and its residual as a cue of the perturbation detector.

    from magdr_video.transforms.purify import residual_rms
    cue = residual_rms(images)   # (F,), in [0, 1] units; large where a face was attacked

The network was trained to leave clean faces alone (noisy, sharpened and compressed ones too), so
that what it would remove tells how much there is to remove. The figures are in its card.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from magdr_video.models.purifier import Purifier
from magdr_video.models.trunk import to_model_range
from magdr_video.models.zoo import load

WEIGHTS = "purifier"


@functools.lru_cache(maxsize=4)
def _network(device: torch.device) -> Purifier:
    """The shipped network, loaded once a device when it is first wanted.

    Raises:
        WeightsError: it is not there, or not as recorded.
    """
    network = load(WEIGHTS, device)
    assert isinstance(network, Purifier)
    return network.to(memory_format=torch.channels_last)


def residual(images: Tensor) -> Tensor:
    """The perturbation that faces carry, by the purifier's estimate.

    Args:
        images: (F, 3, H, W) in [0, 1]; made for face crops of 128 px, works at any size.

    Returns:
        (F, 3, H, W) in [0, 1] units, of either sign; images less this are purified.

    Raises:
        WeightsError: the shipped weights are not there, or not as recorded.
    """
    if len(images) == 0:
        return images
    network = _network(images.device)
    # Half of it: a difference is half as large in [0, 1] as in [-1, 1].
    out: Tensor = network(to_model_range(images.float())) / 2
    return out.to(images.dtype)


def purify(images: Tensor, *, strength: float) -> Tensor:
    """Subtract `strength` times the estimated perturbation."""
    return (images - strength * residual(images)).clamp(0, 1)


def residual_rms(images: Tensor) -> Tensor:
    """Root mean square of the estimated perturbation of each face, (F,), in [0, 1] units."""
    if len(images) == 0:
        return images.new_zeros(0)
    with torch.no_grad():
        return residual(images).square().mean(dim=(1, 2, 3)).sqrt()
