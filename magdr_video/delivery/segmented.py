"""Frames in segments, each of which is kept whatever happens, joined without re-encoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from magdr_video.delivery.recall import Recall
from magdr_video.delivery.translation import Translation
from magdr_video.errors import Interrupted, MagdrError
from magdr_video.types import FrameBatch
from magdr_video.video.frame_encoder import FrameClock
from magdr_video.video.journal import Identity, Journal
from magdr_video.video.placement import partial_path
from magdr_video.video.segments import SegmentWriter, join
from magdr_video.video.target import muxer_of


def deliver_in_segments(
    work: Translation, target: Path, identity: Identity, *, overwrite: bool, resume: bool
) -> None:
    """Encode frames in segments, each of which is kept whatever happens, and join them.

    Raises:
        Interrupted: `stop` said so; the segments so far are joined as '<stem>.partial<ext>', and
            the journal stays.
        MagdrError: nothing is left, or the journal alone where it holds a whole segment.
    """
    with Journal(target, identity, resume=resume) as journal, _hinting(journal):
        with work.writer(target, overwrite=overwrite) as rehearsal:
            rehearsal.abandon()
        memory = Recall(work.staged, work.reader)
        clock = memory.wake(journal, work.report)
        number = _encode(work, muxer_of(target), journal, memory, clock)
        place, stretch = target, work.reader.stretch
        if number:
            place, stretch = partial_path(target), memory.stretch
        with work.writer(place, stretch=stretch, overwrite=overwrite or bool(number)) as writer:
            base = work.reader.info.time_base
            writer.write_packets(join(journal.folder, journal.segments, base))
        work.close(writer)
        if clock.moved:
            work.report.notes.append(clock.note)
        if number:
            raise work.interruption(number, target, writer.frames, resumable=True)
        partial_path(target).unlink(missing_ok=True)
        journal.finish()


def _encode(
    work: Translation, muxer: str, journal: Journal, memory: Recall, clock: FrameClock
) -> int:
    """Write segments until the clip ends; the signal's number where it must end early.

    `stop` is asked when a batch follows a segment: a stop in the last one ends a whole film.
    """
    writer: SegmentWriter | None = None
    has_kept = False
    length = work.settings.output.segment
    batches = work.batches(memory.stages, skip=memory.skip, begin=journal.end)
    batch: FrameBatch | None = None
    try:
        for batch in batches:
            if writer is None:
                if has_kept and (number := work.stop()):
                    return number
                writer = SegmentWriter(
                    journal.next_path,
                    work.reader.info,
                    work.choice,
                    muxer=muxer,
                    first=journal.end,
                    clock=clock,
                )
            writer.write(batch)
            if writer.frames >= length:
                segment, writer = writer.close(), None
                journal.append(segment, memory.keep(batch, clock))
                has_kept = True
        if writer is not None and batch is not None:
            segment, writer = writer.close(), None
            journal.append(segment, memory.keep(batch, clock))
    finally:
        batches.close()  # type: ignore[attr-defined]
        if writer is not None:
            writer.discard()
    work.gate(journal.end)
    return 0


@contextmanager
def _hinting(journal: Journal) -> Iterator[None]:
    """Errors say that work can be resumed, where there is some."""
    try:
        yield
    except Interrupted:
        raise
    except MagdrError as error:
        if journal.segments:
            goes_on = f"--resume goes on from frame {journal.end}"
            error.hint = f"{error.hint}; then {goes_on}" if error.hint else goes_on
        raise
