"""Frames straight into the target, as they come."""

from __future__ import annotations

from pathlib import Path

from magdr_video.delivery.translation import Translation, end_of, worked_ahead
from magdr_video.video.pipes import PipeOutput
from magdr_video.video.placement import partial_path


def deliver_at_once(work: Translation, target: Path | PipeOutput, *, overwrite: bool) -> None:
    """Encode frames straight into the target.

    Raises:
        Interrupted: `stop` said so; the film ends there, and a file is '<stem>.partial<ext>'.
        MagdrError: nothing is left.
    """
    number = 0
    with (
        work.writer(target, overwrite=overwrite) as writer,
        worked_ahead(work.batches(work.staged.stages)) as batches,
    ):
        for batch in batches:
            writer.write(batch)
            work.count(batch)
            if number := work.stop():
                work.reader.stretch.end = end_of(batch, work.reader.stretch)
                writer.settle_at(partial_path(writer.path))
                break
        else:
            work.gate(writer.frames)
    work.close(writer)
    if number:
        raise work.interruption(number, target, writer.frames, resumable=False)
