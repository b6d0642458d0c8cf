"""Crops to soft masks of the 19 face classes (BiSeNet, Yu et al. 2018, arXiv:1808.00897)."""

from __future__ import annotations

import torch
from kornia.filters import guided_blur
from torch import Tensor, nn
from torch.nn import functional as F

from magdr_video.device import in_usual_sizes
from magdr_video.models.precision import computing

CLASSES = 19
"""Classes in the BiSeNet order; see `magdr_video.faces.regions.CLASS_NAMES`."""

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
"""Of ImageNet, as the published parsers were trained."""

_DENOISE = (5, 3e-3)
"""Window and epsilon of the guided filter (He et al. 2010) before parsing: a perturbation can be
made against the parser as well, and masks that follow it would hide it."""


_CHUNK = 32

_CPU_CHUNK = 2
"""On a processor more crops at once are no faster: eight took 112 ms a crop and 340 MiB, two took
87 ms and 35 MiB."""


def parse(
    crops: Tensor, parser: nn.Module, size: int, *, chunk: int = 0, half: bool = False
) -> Tensor:
    """Soft class masks of crops.

    The crops are lightly denoised, resized to the parser's size, and its probabilities brought
    back to the crops' size; every step keeps the sum over classes at 1.

    Args:
        crops: (F, 3, S, S) float32 RGB in [0, 1], on the parser's device.
        parser: (f, 3, size, size) normalised by ImageNet's mean and deviation to logits
            (f, 19, size, size), or to several logit maps of which the first counts.
        size: side of the parser's input in pixels.
        chunk: crops that go through the parser at once; 0 takes what suits the device.
        half: the parser computes in half precision.

    Returns:
        (F, 19, S, S) float32, summing to 1 over the classes.

    Raises:
        ValueError: the parser has another number of classes.
    """
    if len(crops) == 0:
        return crops.new_zeros(0, CLASSES, *crops.shape[-2:])
    chunk = chunk or (_CPU_CHUNK if crops.device.type == "cpu" else _CHUNK)
    with torch.inference_mode():
        parts = [_parse_chunk(part, parser, size, half) for part in torch.split(crops, chunk)]
        return torch.cat(parts)


def _parse_chunk(crops: Tensor, parser: nn.Module, size: int, half: bool) -> Tensor:
    clean = guided_blur(crops, crops, *_DENOISE).clamp(0, 1)
    scaled = resize(clean, size)
    mean, std = scaled.new_tensor(_MEAN), scaled.new_tensor(_STD)
    with computing(crops.device, half=half):
        maps = in_usual_sizes(parser, (scaled - mean[:, None, None]) / std[:, None, None])
    logits: Tensor = maps if isinstance(maps, Tensor) else maps[0]
    if logits.shape[1] != CLASSES:
        raise ValueError(f"the parser gives {logits.shape[1]} classes, expected {CLASSES}")
    return resize(torch.softmax(logits.float(), dim=1), crops.shape[-1])


def resize(images: Tensor, size: int) -> Tensor:
    """(F, C, h, w) to (F, C, size, size): area average to shrink, bilinear to grow.

    Both are convex, so values stay in range and sums over C are kept.
    """
    if images.shape[-2:] == (size, size):
        return images
    if size < images.shape[-1]:
        return F.interpolate(images, (size, size), mode="area")
    return F.interpolate(images, (size, size), mode="bilinear", align_corners=False)
