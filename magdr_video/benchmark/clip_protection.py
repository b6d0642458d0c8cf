"""A protected version of a clip that is given, not made: is it one of this clip and task?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from magdr_video.benchmark.clip_cuts import LOSSLESS, cut_clip
from magdr_video.criteria import psnr_db
from magdr_video.errors import InputError, UsageError
from magdr_video.provenance import record_path, sha256_of
from magdr_video.settings import Settings, flatten
from magdr_video.video.reader import probe

LEAST_LIKENESS = 15.0
"""PSNR (I) in dB below which faces are other pictures, not perturbed ones: an epsilon of 0.2 leaves
20 dB, four times what is usual."""


def require_same_size(clip: Path, protected: Path) -> None:
    """Before anything is loaded.

    Raises:
        InputError: one of them cannot be read, or their frames differ in size.
    """
    a, b = probe(clip), probe(protected)
    if (a.width, a.height) != (b.width, b.height):
        raise InputError(
            f"{protected} has frames of {b.width}x{b.height}, {clip} of {a.width}x{a.height}",
            hint="name the clip that was protected",
        )


def require_same_generator(
    protected: Path, settings: Settings, generator: Mapping[str, str]
) -> None:
    """By the audit record beside a version that `protect` made; without one nothing is known.

    Args:
        generator: SHA-256 by name of the weights that the faces will be translated with.

    Raises:
        UsageError: it was made for another task, condition or generator.
    """
    record = _record_of(protected)
    if record is None:
        return
    task = record["task"]
    if task != settings.task:
        raise UsageError(
            f"{protected} was protected against {task}, not {settings.task}",
            hint=f"--tasks {task}",
        )
    ours = flatten(settings)
    for key, asked in record["settings"].items():
        if key.startswith("condition.") and ours.get(key) != asked:
            raise UsageError(
                f"{protected} was protected with {key}={asked}, the benchmark asks for {ours[key]}",
                hint=f"--set {key}={asked}",
            )
    made_for = {held["sha256"] for held in record["weights"]}
    for name, sha256 in generator.items():
        if sha256 not in made_for:
            raise UsageError(
                f"{protected} was protected against other weights than those of '{name}'",
                hint="protect the clip anew, or leave --protected out",
            )


def _record_of(protected: Path) -> Mapping[str, Any] | None:
    """The record of a version; None without one, or where it is another file's."""
    try:
        record: Mapping[str, Any] = json.loads(record_path(protected).read_text(encoding="utf-8"))
        made = record["command"] == "protect" and record["sha256"]["output"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if made and made == sha256_of(protected) else None


def take_protected(protected: Path, target: Path, clip: Path, *, frames: int, limit: int) -> None:
    """Cut a protected version as its clip was cut.

    Args:
        frames: of the clip that are measured.
        limit: at most so many of the version are taken; 0 takes all.

    Raises:
        InputError: it has another number of frames.
    """
    found = cut_clip(protected, target, crf=LOSSLESS, frames=limit)
    if found != frames:
        raise InputError(
            f"{protected} has {found} frames, {frames} of {clip} are measured",
            hint="name the clip that was protected, or fewer --frames",
        )


def require_likeness(protected: Path, attacked: Tensor, clean: Tensor) -> None:
    """Faces (F, 3, S, S) cut from both at the same places must show the same.

    Raises:
        InputError: they do not.
    """
    likeness = float(psnr_db(attacked, clean).mean())
    if likeness < LEAST_LIKENESS:
        raise InputError(
            f"{protected} shows other faces than its clip: {likeness:.1f} dB PSNR, less than "
            f"{LEAST_LIKENESS:g}",
            hint="name the clip that was protected, from the same frame on",
        )
