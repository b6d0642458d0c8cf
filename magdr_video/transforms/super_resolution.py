"""Super-resolution by a user's model, reduced again by area (layer 4 of Rec-Net).

No weights are shipped. Any network that spandrel knows will do: put its file into the folder of
your own weights as `super-resolution.pth` (or `.safetensors`, `.pt`, `.ckpt`), and install the
extra: `pip install "magdr-video[super-resolution]"`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.errors import WeightsError
from magdr_video.models.manifest import user_folder

STEM = "super-resolution"
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


def find_weights() -> Path | None:
    """The user's file, or None."""
    found = (user_folder() / f"{STEM}{suffix}" for suffix in SUFFIXES)
    return next((path for path in found if path.is_file()), None)


def load_upscaler(path: Path, device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """A network that enlarges images (F, 3, H, W) in [0, 1] by a whole factor.

    Raises:
        WeightsError: spandrel is not installed, does not know the file, or it is no RGB network.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader
    except ImportError as error:
        raise WeightsError(
            "super-resolution needs spandrel",
            hint='pip install "magdr-video[super-resolution]"',
        ) from error
    try:
        held: Any = ModelLoader(device=torch.device(device)).load_from_file(str(path))
    # spandrel raises its own errors, pickle's and torch's, without a common base.
    except Exception as error:
        raise WeightsError(f"{path} cannot be read as super-resolution weights: {error}") from error
    if not isinstance(held, ImageModelDescriptor) or held.input_channels != 3:
        raise WeightsError(f"{path} is no network that enlarges RGB images")
    held.eval()
    upscaler: Callable[[Tensor], Tensor] = held
    return upscaler


@functools.lru_cache(maxsize=2)
def _upscaler(path: Path, changed: float, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network of a file; `changed` is its time, so that a new file is loaded anew."""
    return load_upscaler(path, device)


def reduce_by_area(images: Tensor, upscale: Callable[[Tensor], Tensor]) -> Tensor:
    """Enlarge and take the mean of the pixels that come out for each one."""
    size = images.shape[-2:]
    large = torch.cat([upscale(one[None]) for one in images]) if len(images) else images
    return F.interpolate(large, size, mode="area").clamp(0, 1) if len(images) else images


def super_resolution(images: Tensor) -> Tensor:
    """Enlarge by the user's network and reduce to the old size by area.

    Raises:
        WeightsError: there is no file, it cannot be used, or spandrel is not installed.
    """
    path = find_weights()
    if path is None:
        raise WeightsError(
            "the transform super_resolution has no weights",
            hint=f"put a network's file at {user_folder() / STEM}.pth",
        )
    changed = path.stat().st_mtime
    return reduce_by_area(images, _upscaler(path, changed, images.device))
