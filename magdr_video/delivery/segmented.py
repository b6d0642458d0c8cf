"""Frames in segments, each of which is kept whatever happens, joined without re-encoding."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from magdr_video.delivery.recall import Kept, Recall
from magdr_video.delivery.translation import Translation, worked_ahead
from magdr_video.errors import Interrupted, MagdrError
from magdr_video.types import FrameBatch
from magdr_video.video.frame_encoder import FrameClock
from magdr_video.video.journal import Identity, Journal
from magdr_video.video.placement import partial_path
from magdr_video.video.segments import SegmentWriter, join
from magdr_video.video.stretch import Stretch
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
        number, done = _encode(work, muxer_of(target), journal, memory, clock)
        place, stretch = target, work.reader.stretch
        if number:
            place, stretch = partial_path(target), done
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


@dataclass(frozen=True)
class _Finished:
    """A batch that has left the stages; the last one of a segment knows how to go on after it."""

    batch: FrameBatch | None
    """None after the clip's last batch, where that was not the last of a full segment."""
    kept: Kept | None = None


def _finished(
    work: Translation, memory: Recall, clock: FrameClock, begin: int
) -> Iterator[_Finished]:
    """Batches with their final times, in segments of `output.segment` frames or a little more.

    The stages run ahead of the encoder, so what they remember is kept here, in step with them.
    """
    frames, batch = 0, None
    for batch in work.batches(memory.stages, skip=memory.skip, begin=begin):
        frames += len(batch)
        timed = clock.place(batch)
        if frames < work.settings.output.segment:
            yield _Finished(timed)
        else:
            yield _Finished(timed, memory.keep(batch, clock))
            frames = 0
    if frames and batch is not None:
        yield _Finished(None, memory.keep(batch, clock))


def _encode(
    work: Translation, muxer: str, journal: Journal, memory: Recall, clock: FrameClock
) -> tuple[int, Stretch]:
    """Write segments until the clip ends; the signal's number where it must end early.

    `stop` is asked when a batch follows a segment: a stop in the last one ends a whole film.

    Returns:
        The number, or 0, and the part of the clip that is in whole segments.
    """
    writer: SegmentWriter | None = None
    has_kept, done = False, memory.stretch
    with worked_ahead(_finished(work, memory, clock, journal.end)) as items:
        try:
            for item in items:
                if item.batch is not None:
                    if writer is None:
                        if has_kept and (number := work.stop()):
                            return number, done
                        writer = _open(work, muxer, journal)
                    writer.write(item.batch)
                    work.count(item.batch)
                if item.kept is not None and writer is not None:
                    segment, writer = writer.close(), None
                    journal.append(segment, item.kept.state)
                    has_kept, done = True, item.kept.stretch
        finally:
            if writer is not None:
                writer.discard()
    work.gate(journal.end)
    return 0, done


def _open(work: Translation, muxer: str, journal: Journal) -> SegmentWriter:
    return SegmentWriter(
        journal.next_path,
        work.reader.info,
        work.choice,
        muxer=muxer,
        first=journal.end,
        clock=FrameClock(),
    )


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
