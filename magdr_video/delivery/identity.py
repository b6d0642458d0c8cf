"""What a run is, so that no other is taken for its continuation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magdr_video import provenance
from magdr_video.loading import Models
from magdr_video.settings import Settings, flatten
from magdr_video.video.reader import OPENING
from magdr_video.video.span import Span

NEUTRAL = ("run.strict", "run.jobs", "run.device", "output.format")
"""Settings that no frame depends on; the device counts as the one that `auto` chose."""


def identity_of(
    source: Path,
    settings: Settings,
    models: Models,
    driving: Path | None,
    options: Mapping[str, str],
    span: Span,
) -> dict[str, Any]:
    """All that the frames of a run depend on; a run is resumed only where all of it is the same."""
    flat = {key: value for key, value in flatten(settings).items() if key not in NEUTRAL}
    return flat | {
        "input (bytes, time of change)": _mark_of(source),
        "--driving (bytes, time of change)": _mark_of(driving) if driving else None,
        "--start": span.start.text if span.start else None,
        "--end": span.end.text if span.end else None,
        "-e": dict(options),
        "frames of the first batches": list(OPENING),
        "weights": dict(models.weights),
        "device": str(models.device),
        "libraries": provenance.library_versions(),
    }


def _mark_of(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]
