"""One clip from its file to its part of the document: protected, cut, encoded, measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from magdr_video.benchmark.clip_cuts import LOSSLESS, ClipPair, Cuts, cut_clip, through_codecs
from magdr_video.benchmark.clip_protection import (
    require_likeness,
    require_same_generator,
    take_protected,
)
from magdr_video.benchmark.clip_repairs import Bench, measure_versions
from magdr_video.benchmark.clip_runs import whole_runs
from magdr_video.loading import Models
from magdr_video.protection import protect_clip
from magdr_video.settings import Settings

Say = Callable[[str], None]


def measure_clip(
    clip: Path,
    settings: Settings,
    models: Models,
    *,
    frames: int = 0,
    crfs: Sequence[int] = (18, 23, 28),
    budget: int = 0,
    protected: Path | None = None,
    versions: bool = True,
    runs: bool = True,
    say: Say,
) -> dict[str, Any]:
    """Measure the repairs of a clip's first frames, lossless and encoded.

    Args:
        clip: one face that is in every frame; `settings.faces.which` may choose it.
        frames: that are measured; 0 is all.
        budget: of the search's row, generator passes a frame; 0 leaves it out.
        protected: a protected version of the clip; without one it is protected here.
        versions: rows of every repair, by rate factor and of a shared perturbation.
        runs: whole runs, with passes, cache, flicker, and what the defence does to the clean clip.

    Returns:
        The rows as `versions` and `runs`, each empty where it was not asked for.

    Raises:
        InputError: the clip has no face, or `protected` is no version of it.
        UsageError: `protected` was made for another task, condition or generator.
    """
    if protected is not None:
        record = models.translator.record
        require_same_generator(protected, settings, {record.name: record.sha256})
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        lossless = ClipPair(folder / "clean.mkv", folder / "protected.mkv")
        count = cut_clip(clip, lossless.clean, crf=LOSSLESS, frames=frames)
        if protected is not None:
            take_protected(protected, lossless.protected, clip, frames=count, limit=frames)
        cuts = Cuts.of(lossless.clean, settings, models)
        if protected is None:
            protect_clip(lossless.clean, lossless.protected, settings, models)
        else:
            attacked, clean = cuts.crops(lossless.protected), cuts.crops(lossless.clean)
            require_likeness(protected, attacked, clean)
        say(f"{clip.name}: {cuts.faces} protected faces in {count} frames")
        pairs = through_codecs(lossless, crfs, folder)
        rows = (
            measure_versions(_bench(settings, models, cuts, lossless), cuts, pairs, budget, say)
            if versions
            else []
        )
        whole = whole_runs(settings, models, cuts, pairs, folder, say) if runs else []
    return {
        "clip": clip.name,
        "frames": count,
        "faces": cuts.faces,
        "versions": rows,
        "runs": whole,
    }


def _bench(settings: Settings, models: Models, cuts: Cuts, lossless: ClipPair) -> Bench:
    crops = cuts.crops(lossless.clean)
    bench = Bench(settings, models, crops, crops)
    wanted = bench.generate(crops, bench.condition(len(crops)))
    return dataclasses.replace(bench, wanted=wanted)
