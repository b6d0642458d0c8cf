"""The document that --json prints, --report writes and the audit record holds.

Its schema is `report.schema.json`; a change of meaning raises `SCHEMA`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magdr_video import __version__
from magdr_video.errors import MagdrError
from magdr_video.settings import Settings, flatten
from magdr_video.types import RunReport

SCHEMA = 1


def report_document(
    *,
    command: str,
    source: Path | str,
    output: Path | str | None,
    settings: Settings | None,
    report: RunReport | None,
    device: str = "",
    weights: Mapping[str, str] | None = None,
    libraries: Mapping[str, str] | None = None,
    hashes: Mapping[str, str] | None = None,
    error: BaseException | None = None,
) -> dict[str, Any]:
    """One run as plain JSON values.

    Args:
        weights: SHA-256 by name of the weights used.
        hashes: SHA-256 of 'input' and 'output', where known.
        error: what ended the run, if anything did.
    """
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "tool": "magdr-video",
        "version": __version__,
        "command": command,
        "input": str(source),
        "output": None if output is None else str(output),
        "task": settings.task if settings else None,
        "provenance": settings.output.provenance if settings else None,
        "device": device,
        "libraries": dict(libraries or {}),
        "weights": [{"name": n, "sha256": s} for n, s in (weights or {}).items()],
        "sha256": dict(hashes or {}),
        "settings": flatten(settings) if settings else {},
        "run": _run(report, settings) if report else None,
        "exit_code": 0,
        "error": None,
    }
    if error is not None:
        document["exit_code"] = error.exit_code if isinstance(error, MagdrError) else 1
        hint = error.hint if isinstance(error, MagdrError) else ""
        document["error"] = {"message": str(error), "hint": hint}
    return document


def _run(report: RunReport, settings: Settings | None) -> dict[str, Any]:
    """What the run counted. Without a verdict nobody knows how many faces are perturbed."""
    held: dict[str, Any] = _plain(dataclasses.asdict(report))
    if settings is not None and not settings.detection.enabled:
        del held["faces_perturbed"]
    return held


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(held) for held in value]
    return value
