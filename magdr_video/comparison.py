"""What the defence changed: source, undefended and defended translation side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from magdr_video.errors import OutputError
from magdr_video.loading import Models
from magdr_video.provenance import output_metadata
from magdr_video.runs import Tick, translate_clip
from magdr_video.settings import Settings
from magdr_video.video.container import side_by_side
from magdr_video.video.reader import ClipReader
from magdr_video.video.span import WHOLE, Span
from magdr_video.video.writer import ClipWriter

LABELS = ("source", "undefended", "defended")


def write_comparison(
    source: Path,
    defended: Path,
    film: Path,
    settings: Settings,
    models: Models,
    *,
    driving: Path | None = None,
    options: Mapping[str, str] = MappingProxyType({}),
    span: Span = WHOLE,
    tick: Tick = lambda frames, seconds: None,
) -> None:
    """Translate a clip once more, undefended, and show all three next to each other.

    Args:
        source: the clip.
        defended: its defended translation, made with the same arguments.
        film: the file to write; replaced if it exists. It carries the marks of the outputs.
        settings: those of the defended run.
        models: those of the defended run.
        driving: as `translate_clip`.
        options: as `translate_clip`.
        span: as `translate_clip`; the film shows this part of the source.
        tick: told of the second translation, from its start.

    Raises:
        MagdrError: as `translate_clip` and `side_by_side`.
    """
    bare = dataclasses.replace(
        settings, detection=dataclasses.replace(settings.detection, enabled=False)
    )
    try:
        folder = TemporaryDirectory(prefix=".magdr-compare-", dir=film.parent)
    except OSError as error:
        raise OutputError(f"cannot write {film}: {error.strerror}") from error
    with folder as name:
        undefended = Path(name) / f"undefended{defended.suffix}"
        translate_clip(
            source,
            undefended,
            bare,
            models=dataclasses.replace(models, table=None),
            driving=driving,
            options=options,
            span=span,
            tick=tick,
        )
        shown = source
        if not span.whole:
            shown = Path(name) / "source.nut"
            cut_out(source, span, shown)
        marks = output_metadata(settings.task, settings.output.provenance, {})
        side_by_side((shown, undefended, defended), LABELS, film, metadata=marks)


def cut_out(source: Path, span: Span, target: Path) -> None:
    """Write a part of a clip without loss, with its sound and exact times."""
    with (
        ClipReader(source, span=span) as reader,
        ClipWriter(
            target, reader.info, source=source, stretch=reader.stretch, vcodec="ffv1"
        ) as writer,
    ):
        for batch in reader:
            writer.write(batch)
