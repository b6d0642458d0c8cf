"""What is normal for a generator on clean faces: means, deviations, thresholds.

A table is TOML, written by `python -m magdr_video.training.calibrate --task T`; its head says how
it was made. Every criterion is standardised by it, z = (d - mean) / std (METHOD 5.2).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.errors import SettingsError
from magdr_video.transforms import parse_chain
from magdr_video.types import TransformChoice

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Calibration:
    """The table of one generator and condition set."""

    task: str
    model: str
    """SHA-256 of the generator's weights."""
    criteria: tuple[str, ...]
    """J names of `criteria.CRITERIA`."""
    regions: tuple[str, ...]
    """R region names, in the order of the masks."""
    transforms: tuple[tuple[TransformChoice, ...], ...]
    """K chains f_k of the consistency detector."""
    distortion_mean: Tensor
    """(R, J) of the criteria between crop and translation on clean faces."""
    distortion_std: Tensor
    """(R, J)."""
    consistency_mean: Tensor
    """(K, J) of the criteria between translations on clean faces."""
    consistency_std: Tensor
    """(K, J)."""
    tau_region: float
    """Margin of eq. 5: a region is flagged when z_i - z_c reaches it."""
    least_flags: int
    """Flagged regions that make a face perturbed (n_V)."""
    tau_cons: float
    """Threshold of S_cons, eq. 7."""
    tau_mean: float
    """Threshold of the mean shift beside it."""
    weight: float
    """lambda of eq. 9."""
    tau_final: float
    """S_final below which a reconstruction counts as resolved."""
    recipe: tuple[TransformChoice, ...]
    """Default chain of the reconstructor."""


def _tensor(held: Any) -> Tensor:
    return torch.tensor(held, dtype=torch.float32)


def _check_shapes(table: Calibration) -> None:
    regions, transforms = len(table.regions), len(table.transforms)
    for name, rows in (("distortion", regions), ("consistency", transforms)):
        for part in ("mean", "std"):
            got, want = tuple(getattr(table, f"{name}_{part}").shape), (rows, len(table.criteria))
            if got != want:
                raise ValueError(f"{name}.{part} has shape {got}, expected {want}")


def load_calibration(path: Path) -> Calibration:
    """Read a table.

    Raises:
        SettingsError: the file is missing, is not TOML, lacks an entry, or has numbers
            that do not match its regions, transforms and criteria.
    """
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
        table = Calibration(
            task=held["task"],
            model=held["model"],
            criteria=tuple(held["criteria"]),
            regions=tuple(held["regions"]),
            transforms=tuple(parse_chain(text) for text in held["transforms"]),
            distortion_mean=_tensor(held["distortion"]["mean"]),
            distortion_std=_tensor(held["distortion"]["std"]),
            consistency_mean=_tensor(held["consistency"]["mean"]),
            consistency_std=_tensor(held["consistency"]["std"]),
            tau_region=float(held["thresholds"]["region"]),
            least_flags=int(held["thresholds"]["least_flags"]),
            tau_cons=float(held["thresholds"]["cons"]),
            tau_mean=float(held["thresholds"]["mean"]),
            weight=float(held["thresholds"]["weight"]),
            tau_final=float(held["thresholds"]["final"]),
            recipe=parse_chain(held["recipe"]["default"]),
        )
        _check_shapes(table)
        return table
    except OSError as error:
        raise SettingsError(
            f"calibration table {path}: {error.strerror}",
            hint=f"make it: python -m magdr_video.training.calibrate --task {path.stem}",
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError) as error:
        raise SettingsError(f"calibration table {path} is not usable: {error}") from error
