"""What Rec-Net's pre-training found for a task (Algorithm 1, lines 1 to 6).

A table is TOML, written by `magdr-video train recnet --task T`; its head says how it was made and
what was measured. Chains are written as `transforms.parse_chain` reads them.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magdr_video.errors import SettingsError
from magdr_video.reconstruction.composer import Chain
from magdr_video.transforms import parse_chain
from magdr_video.types import Recipe, TransformChoice

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Fit:
    """What fitted one kind of input: single crops, or crops averaged along the motion."""

    default: Chain = ()
    """The chain that is tried first; empty is the identity."""
    regions: Mapping[str, Chain] | None = None
    """Chains of regions where another one fitted better than `default`."""
    candidates: tuple[Chain, ...] = ()
    """Chains within a margin of the default on training faces, best first."""

    def recipes(self, regions: Sequence[str]) -> tuple[Recipe, ...]:
        """The recipe of each region to begin with."""
        own = self.regions or {}
        return tuple(Recipe(region, own.get(region, self.default)) for region in regions)


@dataclass(frozen=True)
class RecNetTable:
    """The pre-trained part of Rec-Net for one generator."""

    task: str
    model: str
    """SHA-256 of the generator's weights; empty where nothing was fitted."""
    single: Fit
    """Of crops alone."""
    averaged: Fit
    """Of a clip's crops, averaged over `window` frames and, where `motion_purifier` names it,
    purified along the motion."""
    layers: tuple[tuple[TransformChoice, ...], ...]
    """Q_i: for each layer the best setting of every category that fitted well, best first."""
    window: int = 1
    """Frames whose average fitted best; 1 averages none."""
    margin: float = 0.0
    """S_final by which what a search finds must beat the default: smaller gains are not gains of
    PSNR."""
    purifier: str = ""
    """SHA-256 of the purifier's weights, with which chains were tried; empty where a table tells
    none."""
    motion_purifier: str = ""
    """SHA-256 of the motion purifier's weights where it follows the average; empty where the
    average alone fitted better."""
    digest: str = field(default="", compare=False)
    """SHA-256 of the file; empty where there is none."""


UNFITTED_WINDOW = 5


def unfitted(task: str, chain: Chain) -> RecNetTable:
    """A table for weights without pre-training: one chain, nothing to search among."""
    return RecNetTable(task, "", Fit(default=chain), Fit(default=chain), (), UNFITTED_WINDOW)


def _fit(held: Mapping[str, Any]) -> Fit:
    return Fit(
        default=parse_chain(held["default"]),
        regions={region: parse_chain(text) for region, text in held.get("regions", {}).items()},
        candidates=tuple(parse_chain(text) for text in held["candidates"]),
    )


def load_recnet(path: Path) -> RecNetTable:
    """Read a table.

    Raises:
        SettingsError: the file is missing, is not TOML, lacks an entry or names an unknown
            transform.
    """
    try:
        text = path.read_text(encoding="utf-8")
        held = tomllib.loads(text)
        return RecNetTable(
            task=held["task"],
            model=held["model"],
            single=_fit(held["single"]),
            averaged=_fit(held["averaged"]),
            layers=tuple(
                tuple(parse_chain(text)[0] for text in layer) for layer in held["search"]["layers"]
            ),
            window=int(held["averaged"]["window"]),
            margin=float(held["search"]["margin"]),
            purifier=held.get("purifier", ""),
            motion_purifier=held.get("motion_purifier", ""),
            digest=hashlib.sha256(text.encode()).hexdigest(),
        )
    except OSError as error:
        raise SettingsError(
            f"Rec-Net table {path}: {error.strerror}",
            hint=f"make it: magdr-video train recnet --task {path.stem.removeprefix('recnet-')}",
        ) from error
    except (tomllib.TOMLDecodeError, KeyError, ValueError, TypeError, IndexError) as error:
        raise SettingsError(f"Rec-Net table {path} is not usable: {error}") from error
