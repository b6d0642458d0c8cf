"""A clip read and written as it is."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

from magdr_video.types import FrameBatch
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter

EXACT: dict[str, Any] = {"options": {"qp": "0"}, "preset": "ultrafast"}
MILLI = Fraction(1, 1000)


def copy(source: Path, target: Path, **flags: Any) -> ClipWriter:
    """Read a clip and write it as it is, with all its streams."""
    with (
        ClipReader(source) as reader,
        ClipWriter(target, reader.info, source=source, **(EXACT | flags)) as writer,
    ):
        for batch in reader:
            writer.write(batch)
    return writer


def whole(path: Path) -> FrameBatch:
    with ClipReader(path, batch=1000) as reader:
        return next(iter(reader))
