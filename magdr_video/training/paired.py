"""What the two trainings on pairs share: ranges, loss, schedule, running average, export."""

from __future__ import annotations

import math
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from magdr_video.errors import InputError, SettingsError
from magdr_video.training.faces_data import Array
from magdr_video.training.loop import memory_format

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

RecipeT = TypeVar("RecipeT")

DATA = "OMI synthetic faces (Peterson et al. 2022), depict nobody"
LICENCE = "CC BY-NC-SA 4.0"


AT_LEAST_ONE = ("size", "first_size", "width", "batch", "threads", "pieces", "grow_every", "window")
"""Settings of recipes that cannot be 0; no number is below 0."""


def read_recipe(kind: type[RecipeT], path: Path) -> RecipeT:
    """A recipe from its TOML file.

    Raises:
        InputError: there is no such file.
        SettingsError: it is no TOML, names a setting that the recipe does not have, or gives one a
            value of another type or out of range.
    """
    try:
        given: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"recipe {path}: {error.strerror}", hint="see presets/training") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"recipe {path} is no TOML: {error}") from error
    known = {field.name: type(field.default) for field in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingsError(
            f"{path} sets {', '.join(unknown)}", hint=f"a recipe has {', '.join(sorted(known))}"
        )
    for name, value in given.items():
        _check(path, name, value, known[name])
    return kind(**given)


def _check(path: Path, name: str, value: Any, kind: type) -> None:
    allowed = (int, float) if kind is float else (kind,)
    fits: bool = isinstance(value, allowed) and not isinstance(value, bool)
    if not fits:
        raise SettingsError(f"{path}: {name} = {value!r}", hint=f"it takes a {kind.__name__}")
    least = 1 if name in AT_LEAST_ONE else 0
    if kind is not str and float(value) < least:
        raise SettingsError(f"{path}: {name} = {value} is out of range", hint=f">= {least}")


def from_images(images: Array) -> Tensor:
    """uint8 (F, H, W, 3) to float32 (F, 3, H, W) in [-1, 1], in the layout of the trainings."""
    planes = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2)
    return planes.float().div(127.5).sub(1).contiguous(memory_format=memory_format())


def to_images(batch: Tensor) -> Array:
    """float (F, 3, H, W) in [-1, 1] to uint8 (F, H, W, 3)."""
    images = batch.detach().float().add(1).mul(127.5).round().clamp(0, 255).byte()
    out: Array = images.permute(0, 2, 3, 1).cpu().numpy()
    return out


def paired_loss(
    source: Tensor,
    target: Tensor,
    out: Tensor,
    attention: Tensor,
    attention_weight: float,
    smoothness_weight: float,
) -> tuple[Tensor, Tensor]:
    """Plain L1 (for the report), and the loss: L1 weighted up to fivefold where the pair differs.

    The attention is pulled towards 1 (keep the input) where the pair agrees, and smoothed by its
    total variation (GANimation, eq. 4).
    """
    change = (target - source).abs().amax(1, keepdim=True)
    weight = 1 + 4 * (change * 4).clamp(0, 1)
    error = (out - target).abs()
    keep = ((1 - attention) * (change < 0.02)).mean()
    rough = (attention[..., 1:] - attention[..., :-1]).abs().mean()
    rough = rough + (attention[..., 1:, :] - attention[..., :-1, :]).abs().mean()
    loss = (weight * error).mean() + attention_weight * keep + smoothness_weight * rough
    return error.mean(), loss


def soft_area(change: Tensor, least: float) -> Tensor:
    """Where a difference (F, 3, S, S) is large, widened and softened: (F, 1, S, S)."""
    large = (change.abs().amax(1, keepdim=True) > least).float()
    wide = nn.functional.max_pool2d(large, 5, stride=1, padding=2)
    return nn.functional.avg_pool2d(wide, 5, stride=1, padding=2)


def scheduled_rate(index: int, steps: int, rate: float, last_rate: float) -> float:
    """Learning rate of a step: 100 steps of warming, then half a cosine down to `last_rate`."""
    if index < 100:
        return rate * (index + 1) / 100
    return last_rate + (rate - last_rate) * (1 + math.cos(math.pi * min(1, index / steps))) / 2


@torch.no_grad()
def average_into(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Exponential running average of the weights (Polyak averaging), in place."""
    torch._foreach_lerp_(list(average.parameters()), list(net.parameters()), 1 - decay)


def export_weights(net: nn.Module, facts: dict[str, str], target: Path) -> None:
    """Write float16 safetensors; `facts` join what all files of this data have in common."""
    shared = {"layout": "attention", "alignment": "ffhq", "data": DATA, "licence": LICENCE}
    tensors = {name: value.half().contiguous().cpu() for name, value in net.state_dict().items()}
    save_file(tensors, str(target), metadata=shared | facts)
