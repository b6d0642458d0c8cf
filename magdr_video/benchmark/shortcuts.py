"""What each shortcut costs in quality: the run as it is against one that does the work anew."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magdr_video.benchmark.stage_costs import first_frames
from magdr_video.device import batch_size
from magdr_video.errors import UsageError
from magdr_video.loading import Models
from magdr_video.models.precision import choose_precision
from magdr_video.pipeline import run
from magdr_video.settings import Settings, build, flatten
from magdr_video.staging import stage_clip
from magdr_video.types import FrameBatch, RunReport
from magdr_video.video.reader import ClipReader

SHORTCUTS: Mapping[str, Mapping[str, Any]] = {
    "faces searched every 16 frames, not in each": {"faces.period": 1},
    "frames scaled to 480 px for the search, not as they are": {"faces.long_side": 4096},
    "masks parsed every 6 frames, not in each": {"detection.parse_period": 1},
    "verdicts, repairs and masks held, not made for each face": {"reconstruction.cache": False},
}
"""By name, the settings that do without it."""

ON_A_DEVICE: Mapping[str, Mapping[str, Any]] = {
    "parser and translation in half precision, not in full": {"run.precision": "full"},
}
"""The same, where networks run on a CUDA device."""

Luma = NDArray[np.float32]


@dataclass(frozen=True)
class Film:
    """A clip's luma before and after a translation."""

    source: Luma
    """(N, H, W)."""
    luma: Luma
    """(N, H, W)."""

    def psnr(self, other: Luma) -> float:
        """dB to another translation, on the pixels that this one changes; infinite where equal."""
        touched = (self.luma != self.source).any(axis=0)
        error = float(((other - self.luma)[:, touched] ** 2).mean()) if touched.any() else 0.0
        return 10 * math.log10(255**2 / error) if error else math.inf


def shortcut_costs(
    clip: Path, settings: Settings, models: Models, limit: int, wanted: Film
) -> dict[str, dict[str, float]]:
    """Each shortcut's difference in the film, on the pixels that either run changes.

    Args:
        limit: frames that are used, rounded up to whole batches; they are held in memory.
        wanted: what should come out: the translation of the same frames without a perturbation.

    Returns:
        By shortcut: `psnr` in dB between the two films; `psnr_o` with it and `psnr_o_without` it:
        PSNR(O), dB to what is wanted; and `flicker` and `flicker_without`: mean second difference
        in time of what was added to the frames, in levels of 255.

    Raises:
        UsageError: the clip and what is wanted have not the same frames.
    """
    ours = translated(clip, settings, models, limit)
    if ours.luma.shape != wanted.luma.shape:
        raise UsageError(
            f"--clean has frames {wanted.luma.shape}, {clip} {ours.luma.shape} (N, H, W)",
            hint="name the clip that was protected",
        )
    known = {**SHORTCUTS, **(ON_A_DEVICE if models.device.type == "cuda" else {})}
    out = {}
    for name, changed in known.items():
        without = build({**flatten(settings), **changed})
        precise = dataclasses.replace(
            models, precision=choose_precision(without.run.precision, models.device)
        )
        other = translated(clip, without, precise, limit).luma
        out[name] = compare(ours.source, ours.luma, other) | {
            "psnr_o": wanted.psnr(ours.luma),
            "psnr_o_without": wanted.psnr(other),
        }
    return out


def compare(source: Luma, ours: Luma, other: Luma) -> dict[str, float]:
    """Two films (N, H, W) of one source."""
    touched = ((ours != source) | (other != source)).any(axis=0)
    if not touched.any():
        return {"psnr": math.inf, "flicker": 0.0, "flicker_without": 0.0}
    error = float(((ours - other)[:, touched] ** 2).mean())
    return {
        "psnr": 10 * math.log10(255**2 / error) if error else math.inf,
        "flicker": _flicker((ours - source)[:, touched]),
        "flicker_without": _flicker((other - source)[:, touched]),
    }


def _flicker(added: Luma) -> float:
    return float(np.abs(np.diff(added, n=2, axis=0)).mean()) if len(added) > 2 else 0.0


def translated(clip: Path, settings: Settings, models: Models, limit: int) -> Film:
    """The clip's first frames as a run makes them, before any encoder."""
    report = RunReport()
    size = batch_size(settings.run.batch, settings.run.device)
    before: list[Luma] = []

    def seen(batches: Iterable[FrameBatch]) -> Iterator[FrameBatch]:
        for batch in batches:
            before.append(batch.planes[0].astype(np.float32))
            yield batch

    with ClipReader(clip, batch=size) as reader:
        staged = stage_clip(settings, models, reader.info, report)
        films = run(seen(first_frames(reader, limit)), staged.stages, report, strict=True)
        after = [batch.planes[0].astype(np.float32) for batch in films]
    return Film(np.concatenate(before), np.concatenate(after))
