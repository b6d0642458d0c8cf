"""Reads checkpoints of any wrapping and loads them strictly into the network they belong to."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from magdr_video.errors import WeightsError
from magdr_video.models.architecture import Blueprint, canonical_names, recognise

_INSIDE = (
    "state_dict",
    "model_state_dict",
    "params_ema",
    "params",
    "model",
    "net",
    "generator",
    "G",
)
"""Keys under which training scripts keep a state_dict, tried in this order."""

_UNREADABLE = (
    RuntimeError, ValueError, KeyError, EOFError, OSError, AttributeError, TypeError,
    pickle.UnpicklingError, zipfile.BadZipFile, safetensors.SafetensorError,
)  # fmt: skip
"""What torch and safetensors raise on files that are truncated, foreign or hostile."""


def read_tensors(data: bytes, path: Path) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, as given, on the CPU.

    Args:
        data: the whole file; already hash-checked, so that what was checked is what is read.
        path: where it came from; `.safetensors` or anything that `torch.save` wrote.

    Raises:
        WeightsError: the bytes are no such file, or hold no tensors.
    """
    try:
        if path.suffix == ".safetensors":
            held: Any = safetensors.torch.load(data)
        else:
            held = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        first = str(error).strip().partition("\n")[0][:200]
        raise WeightsError(
            f"{path} cannot be read as weights: {first}",
            hint="the file is damaged, or holds more than tensors (only plain state_dicts load)",
        ) from error
    return _unwrap(held, path)


def _unwrap(held: Any, path: Path) -> dict[str, Tensor]:
    """Step into wrappers until there is a dict that holds tensors."""
    while isinstance(held, Mapping):
        tensors = {k: v for k, v in held.items() if isinstance(v, Tensor)}
        if tensors:
            return tensors
        inside = [key for key in _INSIDE if isinstance(held.get(key), Mapping)]
        if not inside:
            break
        held = held[inside[0]]
    given = (
        ", ".join(map(str, list(held)[:6])) if isinstance(held, Mapping) else type(held).__name__
    )
    raise WeightsError(f"{path} holds no tensors by name, but: {given}")


def canonical_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors under the names of our modules, wrappers and surplus ones removed."""
    return {name: tensors[given] for given, name in canonical_names(tensors).items()}


def blueprint_of(tensors: Mapping[str, Tensor], *, claimed: str = "") -> Blueprint:
    """Which network canonical tensors belong to (see `recognise`)."""
    return recognise({k: tuple(v.shape) for k, v in tensors.items()}, claimed=claimed)


def build(blueprint: Blueprint) -> nn.Module:
    """The network of a blueprint, with random weights."""
    width, blocks, condition = blueprint.width, blueprint.blocks, blueprint.condition
    if blueprint.architecture == "bisenet":
        from magdr_video.models.bisenet import BiSeNet

        return BiSeNet(width=width, classes=blueprint.classes)
    if blueprint.layout == "warped":
        from magdr_video.models.warped import WarpedGenerator

        return WarpedGenerator(width=width, blocks=blocks, condition=condition)
    if blueprint.architecture == "stargan":
        from magdr_video.models.stargan import StarGAN

        return StarGAN(
            width=width, blocks=blocks, condition=condition, attention=blueprint.attention
        )
    if blueprint.architecture == "ganimation":
        from magdr_video.models.ganimation import GANimation

        return GANimation(width=width, blocks=blocks, condition=condition, layout=blueprint.layout)
    if blueprint.architecture == "cyclegan":
        from magdr_video.models.cyclegan import CycleGAN

        return CycleGAN(
            width=width, blocks=blocks, dropout=blueprint.dropout, attention=blueprint.attention
        )
    if blueprint.architecture == "purifier":
        from magdr_video.models.purifier import Purifier

        return Purifier(width=width, blocks=blocks)
    if blueprint.architecture == "motion-purifier":
        from magdr_video.models.motion_purifier import MotionPurifier

        return MotionPurifier(width=width, blocks=blocks)
    from magdr_video.models.au_estimator import AUEstimator

    return AUEstimator(width=width)


def disagreements(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """One line for each kind of disagreement between given and wanted tensors; [] if none."""
    missing = [name for name in wanted if name not in tensors]
    unexpected = [name for name in tensors if name not in wanted]
    shapes = [
        f"{name} given {tuple(tensors[name].shape)}, wanted {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in tensors and tensors[name].shape != value.shape
    ]
    named = (("missing", missing), ("unexpected", unexpected), ("shapes", shapes))
    return [
        f"{title} ({len(found)}): {', '.join(found[:6])}{', ...' if len(found) > 6 else ''}"
        for title, found in named
        if found
    ]


def assemble(tensors: Mapping[str, Tensor], *, where: str, claimed: str = "") -> nn.Module:
    """The network that canonical tensors belong to, loaded strictly, float32, in `eval()`.

    Args:
        tensors: as `canonical_tensors` gives them, of any floating type.
        where: named in errors.
        claimed: the architecture that the file's metadata name, if any.

    Raises:
        WeightsError: no network has such tensors, or one nearly has; both sides are printed.
    """
    blueprint = blueprint_of(tensors, claimed=claimed)
    try:
        with torch.device("meta"):
            module = build(blueprint)
    except (RuntimeError, ValueError, ImportError) as error:
        raise WeightsError(f"{where}: {blueprint} cannot be built: {error}") from error
    found = disagreements(tensors, module.state_dict())
    if found:
        kind = f"{blueprint.architecture} ({blueprint.layout}, width {blueprint.width})"
        raise WeightsError(f"{where} does not fit {kind}; " + "; ".join(found))
    module = module.to_empty(device="cpu")
    module.load_state_dict(tensors)
    return module.float().eval()
