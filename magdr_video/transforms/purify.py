"""The learned purifier as a transform, and what it finds as cues of the perturbation detector.

The network was trained to leave clean faces alone (noisy, sharpened and compressed ones too), so
that what it would remove, and whether its gate would let it, tell a perturbation. The figures are
in its card.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from magdr_video.device import in_usual_sizes
from magdr_video.models.motion_purifier import MotionPurifier
from magdr_video.models.purifier import Purifier
from magdr_video.models.trunk import to_model_range
from magdr_video.models.zoo import load

WEIGHTS = "purifier"
MOTION_WEIGHTS = "motion-purifier"

CHUNK = 4
"""Faces that a processor purifies at a time: what more of them need does not stay in its caches."""

TINY = 1e-12
"""Keeps the slope of a root finite."""


@functools.lru_cache(maxsize=4)
def _network(device: torch.device) -> Purifier:
    """The shipped network, loaded once a device when it is first wanted.

    Raises:
        WeightsError: it is not there, or not as recorded.
    """
    network = load(WEIGHTS, device)
    assert isinstance(network, Purifier)
    return network.to(memory_format=torch.channels_last)


@functools.lru_cache(maxsize=4)
def _motion_network(device: torch.device) -> MotionPurifier:
    """As `_network`, of the motion purifier."""
    network = load(MOTION_WEIGHTS, device)
    assert isinstance(network, MotionPurifier)
    return network.to(memory_format=torch.channels_last)


def residual(images: Tensor, *, gate: bool = True) -> Tensor:
    """The perturbation that faces carry, by the purifier's estimate.

    Args:
        images: (F, 3, H, W) in [0, 1]; made for face crops of 128 px, works at any size.
        gate: scale it by how likely the network finds that there is a perturbation.

    Returns:
        (F, 3, H, W) in [0, 1] units, of either sign; images less this are purified.

    Raises:
        WeightsError: the shipped weights are not there, or not as recorded.
    """
    if len(images) == 0:
        return images
    found, odds = _parts(images)
    if gate:
        found = found * torch.sigmoid(odds)[:, None, None, None]
    return found.to(images.dtype)


def _parts(images: Tensor) -> tuple[Tensor, Tensor]:
    """The ungated estimate (F, 3, H, W) in [0, 1] units, and the gate's log odds (F,)."""
    network, faces = _network(images.device), to_model_range(images.float())
    pieces = torch.split(faces, CHUNK) if faces.device.type == "cpu" else (faces,)
    done = [in_usual_sizes(network.parts, piece) for piece in pieces]
    found, odds = (torch.cat(part) for part in zip(*done, strict=True))
    # Half of it: a difference is half as large in [0, 1] as in [-1, 1].
    return found / 2, odds


def purify(images: Tensor, *, strength: float, gate: float = 1) -> Tensor:
    """Subtract `strength` times the estimated perturbation.

    Args:
        gate: 0 leaves the network's own doubt aside, which only costs where the detector has spoken
            (figures are in the purifier's card).
    """
    return (images - strength * residual(images, gate=bool(gate))).clamp(0, 1)


def purify_along_motion(means: Tensor, frames: Tensor) -> Tensor:
    """Frames repaired from what an average of their neighbours kept and what they have themselves.

    Args:
        means: (F, 3, H, W) in [0, 1], the frames averaged along the motion of their tracks.
        frames: of the same shape.

    Raises:
        WeightsError: the shipped weights are not there, or not as recorded.
    """
    if len(frames) == 0:
        return frames
    network = _motion_network(frames.device)
    pairs = torch.cat([to_model_range(part.float()) for part in (means, frames)], dim=1)
    pieces = torch.split(pairs, CHUNK) if pairs.device.type == "cpu" else (pairs,)
    done = [in_usual_sizes(lambda both: network(*both.chunk(2, dim=1)), piece) for piece in pieces]
    return ((torch.cat(done) + 1) / 2).clamp(0, 1).to(frames.dtype)


def evidence(images: Tensor) -> Tensor:
    """What speaks for a perturbation of each face, (F, 2), with gradients.

    The first column is the root mean square of the estimated perturbation as it is before the gate,
    in [0, 1] units; the second the log odds of the gate.

    Args:
        images: (F, 3, H, W) in [0, 1].
    """
    if len(images) == 0:
        return images.new_zeros(0, 2)
    found, odds = _parts(images)
    power = found.square().mean(dim=(1, 2, 3))
    return torch.stack([(power + TINY).sqrt(), odds], dim=1).to(images.dtype)
