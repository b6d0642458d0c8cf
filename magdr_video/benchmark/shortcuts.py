"""What each shortcut costs in quality: the run as it is against one that does the work anew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from magdr_video.benchmark.stage_costs import first_frames
from magdr_video.device import batch_size
from magdr_video.loading import Models
from magdr_video.pipeline import run
from magdr_video.settings import Settings, build, flatten
from magdr_video.staging import stage_clip
from magdr_video.types import RunReport
from magdr_video.video.reader import ClipReader

SHORTCUTS: Mapping[str, Mapping[str, Any]] = {
    "faces searched every 16 frames, not in each": {"faces.period": 1},
    "masks parsed every 6 frames, not in each": {"detection.parse_period": 1},
    "verdicts, repairs and masks held, not made for each face": {"reconstruction.cache": False},
}
"""By name, the settings that do without it."""

Luma = NDArray[np.float32]


def shortcut_costs(
    clip: Path, settings: Settings, models: Models, limit: int
) -> dict[str, dict[str, float]]:
    """Each shortcut's difference in the film, on the pixels that either run changes.

    Args:
        limit: frames that are used, rounded up to whole batches; they are held in memory.

    Returns:
        By shortcut: `psnr` in dB between the two films, and `flicker` with it and
        `flicker_without` it: mean second difference in time of what was added to the frames, in
        levels of 255.
    """
    source = _source(clip, settings, limit)
    ours = _translated(clip, settings, models, limit)
    out = {}
    for name, changed in SHORTCUTS.items():
        other = _translated(clip, build({**flatten(settings), **changed}), models, limit)
        out[name] = compare(source, ours, other)
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


def _source(clip: Path, settings: Settings, limit: int) -> Luma:
    with ClipReader(clip, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        batches = first_frames(reader, limit)
        return np.concatenate([batch.planes[0].astype(np.float32) for batch in batches])


def _translated(clip: Path, settings: Settings, models: Models, limit: int) -> Luma:
    report = RunReport()
    with ClipReader(clip, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        staged = stage_clip(settings, models, reader.info, report)
        films = run(first_frames(reader, limit), staged.stages, report, strict=True)
        return np.concatenate([batch.planes[0].astype(np.float32) for batch in films])
