"""What is known of a file of weights without loading it. Loads no torch for safetensors."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path

from magdr_video.errors import WeightsError
from magdr_video.models.architecture import (
    RUNNING_STATISTICS,
    Blueprint,
    Shapes,
    canonical_names,
    recognise,
)
from magdr_video.models.conditions import ACTION_UNITS, ATTRIBUTES
from magdr_video.models.manifest import sha256

TASKS = {
    "stargan": "edit",
    "ganimation": "reenact",
    "cyclegan": "replace",
    "bisenet": "parse",
    "au-estimator": "driving",
    "purifier": "purify",
    "motion-purifier": "purify",
}

ALIGNMENTS = ("ffhq", "celeba", "openface", "box")
"""FFHQ's five points; CelebA aligned, centre 178 px; OpenFace's similarity; a detector's box."""

_CONVENTIONS = {
    "yunjey": ("celeba", 128),
    "vipermu": ("openface", 128),
    "pumarola": ("box", 128),
    "donydchen": ("box", 128),
    "junyanz": ("box", 256),
    "zllrunning": ("ffhq", 512),
}
"""Alignment and side in pixels of each public layout (METHOD, section 3). A generator's size is
not in its tensors: versions of other sizes exist and need `size` at import."""


@dataclass(frozen=True)
class ModelRecord:
    """What is known of one file of weights without loading it."""

    name: str
    path: Path
    task: str
    """edit, reenact, replace, parse, driving, purify."""
    architecture: str
    layout: str
    size: int
    """Side of the crops it was made for, px."""
    alignment: str
    """One of `ALIGNMENTS`."""
    parameters: int
    """Trainable values; running statistics are not counted."""
    data: str
    licence: str
    sha256: str
    conditions: tuple[str, ...]
    """Names of the values of its condition, in order."""
    shipped: bool
    direction: str = ""
    """AB (face to persona) or BA, of a CycleGAN."""


def _header(data: bytes, path: Path) -> tuple[Shapes, dict[str, str]]:
    """Shapes and metadata of a safetensors file.

    Source: the format's description (an 8-byte little-endian length, then JSON, then tensors).

    Raises:
        WeightsError: the bytes are no such file, or fewer than the header promises.
    """
    try:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length].decode("utf-8"))
        metadata = {str(k): str(v) for k, v in header.pop("__metadata__", {}).items()}
        shapes = {name: tuple(map(int, one["shape"])) for name, one in header.items()}
        end = max((int(one["data_offsets"][1]) for one in header.values()), default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{path} is no safetensors file: {error}") from error
    if len(data) != 8 + length + end:
        raise WeightsError(f"{path} has {len(data)} bytes, its header promises {8 + length + end}")
    return shapes, metadata


def read_bytes(path: Path) -> bytes:
    """The whole file; a `WeightsError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error


def _canonical_shapes(given: Shapes) -> Shapes:
    return {name: given[old] for old, name in canonical_names(given).items()}


def _shapes_of(path: Path, data: bytes) -> tuple[Shapes, dict[str, str]]:
    """Canonical shapes and metadata of a file; only `.safetensors` does without torch."""
    if path.suffix == ".safetensors":
        shapes, metadata = _header(data, path)
        return _canonical_shapes(shapes), metadata
    from magdr_video.models.checkpoint import read_tensors

    tensors = read_tensors(data, path)
    return _canonical_shapes({name: tuple(t.shape) for name, t in tensors.items()}), {}


def _condition_names(blueprint: Blueprint, metadata: dict[str, str]) -> tuple[str, ...]:
    """Names of the condition; metadata first, then those of the public weights, then numbers."""
    if "condition" in metadata:
        names = tuple(map(str, json.loads(metadata["condition"])))
        if len(names) == blueprint.condition:
            return names
        raise WeightsError(
            f"the metadata name {len(names)} conditions, the tensors take {blueprint.condition}"
        )
    for known in (ATTRIBUTES, ACTION_UNITS):
        if len(known) == blueprint.condition:
            return known
    return tuple(f"c{i}" for i in range(blueprint.condition))


def _number(metadata: dict[str, str], key: str, default: int, path: Path) -> int:
    text = metadata.get(key, str(default))
    if not text.isdigit() or int(text) < 1:
        raise WeightsError(f"{path}: its metadata say {key} '{text}', expected a number of pixels")
    return int(text)


def _is_buffer(name: str) -> bool:
    return name.endswith(RUNNING_STATISTICS)


def record_of(path: Path, name: str, *, shipped: bool) -> ModelRecord:
    """The record of a file of weights.

    Raises:
        WeightsError: the file cannot be read, or no known network has such tensors.
    """
    data = read_bytes(path)
    shapes, metadata = _shapes_of(path, data)
    blueprint = recognise(shapes, claimed=metadata.get("architecture", ""))
    alignment, size = _CONVENTIONS.get(blueprint.layout, ("ffhq", 128))
    return ModelRecord(
        name=name,
        path=path,
        task=TASKS[blueprint.architecture],
        architecture=blueprint.architecture,
        layout=blueprint.layout,
        size=_number(metadata, "size", size, path),
        alignment=metadata.get("alignment", alignment),
        parameters=sum(math.prod(s) for k, s in shapes.items() if not _is_buffer(k)),
        data=metadata.get("data", "not stated"),
        licence=metadata.get("licence", "not stated"),
        sha256=sha256(data),
        conditions=_condition_names(blueprint, metadata),
        shipped=shipped,
        direction=metadata.get("direction", "AB" if blueprint.architecture == "cyclegan" else ""),
    )
