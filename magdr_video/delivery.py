"""A clip's translated frames on their way into a file or a pipe, at once or in segments.

Into a pipe, and from one, frames go as they come. From file to file they are encoded in segments,
with a journal beside the target: a run that was killed goes on after its last whole segment, and
gives the frames that it would have given.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from magdr_video import provenance
from magdr_video.checkpoint import freeze, thaw
from magdr_video.errors import Interrupted, MagdrError, RuntimeFailure
from magdr_video.loading import Models
from magdr_video.pipeline import Stages, run
from magdr_video.settings import Settings, flatten
from magdr_video.staging import TOOLS, Staged
from magdr_video.types import FaceCrops, Faces, FrameBatch, RunReport, StreamNote
from magdr_video.video.encoder import EncoderChoice
from magdr_video.video.frame_encoder import FrameClock
from magdr_video.video.journal import Identity, Journal
from magdr_video.video.pipes import PipeOutput
from magdr_video.video.placement import partial_path
from magdr_video.video.prefetch import prefetch
from magdr_video.video.reader import ClipReader
from magdr_video.video.segments import SegmentWriter, join
from magdr_video.video.span import Span
from magdr_video.video.stretch import Stretch
from magdr_video.video.target import muxer_of
from magdr_video.video.writer import ClipWriter

Tick = Callable[[int, Fraction], None]
"""Progress: frames done and the time reached in the clip, in seconds."""
Stop = Callable[[], int]
"""Asked now and then: the number of a signal that wants the run to end, or 0."""

PREFETCHED_BATCHES = 2
NEUTRAL = ("run.strict", "run.jobs", "run.device", "output.format")
"""Settings that no frame depends on; the device counts as the one that `auto` chose."""


@dataclass(frozen=True)
class Translation:
    """One clip under translation: where frames come from, what is done, who is told."""

    reader: ClipReader
    staged: Staged
    settings: Settings
    report: RunReport
    options: Mapping[str, str]
    """Further options of the encoder."""
    tick: Tick
    stop: Stop

    @property
    def choice(self) -> EncoderChoice:
        """What is asked of the encoder."""
        held = self.settings.output
        return EncoderChoice(
            vcodec=held.vcodec or None,
            crf=held.crf,
            preset=held.preset or None,
            pix_fmt=held.pix_fmt or None,
            options=dict(self.options),
        )

    def batches(self, stages: Stages, *, skip: int = 0, begin: int = 0) -> Iterator[FrameBatch]:
        """What leaves the stages, counted once whoever takes it is done with it.

        Args:
            stages: what is done.
            skip: number of the first frame that the stages see.
            begin: number of the first frame that comes out.
        """
        with read_ahead(self.reader) as ahead:
            seen = (batch for batch in ahead if batch.first_index >= skip)
            strict = self.settings.run.strict
            for batch in run(seen, stages, self.report, strict=strict, begin=begin):
                yield batch
                self.report.frames_out += len(batch)
                self.tick(self.report.frames_out, int(batch.pts[-1]) * batch.time_base)

    def writer(
        self, target: Path | PipeOutput, *, stretch: Stretch | None = None, overwrite: bool
    ) -> ClipWriter:
        """A writer with this clip's other streams, tags and marks."""
        held, info = self.settings.output, self.reader.info
        marks = provenance.output_metadata(self.settings.task, held.provenance, info.metadata)
        return ClipWriter(
            target,
            info,
            source=self.reader.tap or info.path,
            stretch=stretch or self.reader.stretch,
            muxer=held.format if isinstance(target, PipeOutput) else None,
            vcodec=held.vcodec or None,
            crf=held.crf,
            preset=held.preset or None,
            pix_fmt=held.pix_fmt or None,
            options=dict(self.options),
            metadata=marks,
            overwrite=overwrite,
        )

    def gate(self) -> None:
        """Frames out must equal frames in; checked on every run, not only in tests.

        Raises:
            RuntimeFailure: they differ.
        """
        report = self.report
        if report.frames_in != report.frames_out:
            raise RuntimeFailure(
                f"{self.reader.info.path}: {report.frames_in} frames went in, "
                f"{report.frames_out} came out"
            )

    def close(self, writer: ClipWriter) -> None:
        """Write down what is known of the output."""
        self.report.notes += [*self.reader.notes, *writer.notes]
        self.report.streams = list[StreamNote](writer.streams)

    def interruption(
        self, number: int, target: Path | PipeOutput, frames: int, *, resumable: bool
    ) -> Interrupted:
        """What an early end after so many frames is told as."""
        self.report.frames_out = frames
        where = f" of film are in {partial_path(target)}" if isinstance(target, Path) else ""
        self.staged.count_into(self.report)
        stop = Interrupted(
            f"stopped by a signal; {self.report.frames_out} frames{where}",
            signal_number=number,
            hint="the same command with --resume goes on from there" if resumable else "",
        )
        stop.run = self.report
        return stop


@contextmanager
def read_ahead(reader: ClipReader) -> Iterator[Iterator[FrameBatch]]:
    """Batches decoded in a thread, which ends with the block whatever happens in it."""
    ahead = prefetch(iter(reader), PREFETCHED_BATCHES)
    try:
        yield ahead
    finally:
        reader.abandon()
        ahead.close()  # type: ignore[attr-defined]


def deliver_at_once(work: Translation, target: Path | PipeOutput, *, overwrite: bool) -> None:
    """Encode frames straight into the target.

    Raises:
        Interrupted: `stop` said so; the film ends there, and a file is '<stem>.partial<ext>'.
        MagdrError: nothing is left.
    """
    number = 0
    with work.writer(target, overwrite=overwrite) as writer:
        for batch in work.batches(work.staged.stages):
            writer.write(batch)
            if number := work.stop():
                work.reader.stretch.end = end_of(batch, work.reader.stretch)
                writer.settle_at(partial_path(writer.path))
                break
        else:
            work.gate()
    work.close(writer)
    if number:
        raise work.interruption(number, target, writer.frames, resumable=False)


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
        memory = _Recall(work.staged, work.reader)
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
        "weights": dict(models.weights),
        "device": str(models.device),
        "libraries": provenance.library_versions(),
    }


def _mark_of(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]


def end_of(batch: FrameBatch, stretch: Stretch) -> Fraction:
    """When the last frame of a batch is over, on the source's own clock."""
    last = int(batch.pts[-1]) + max(int(batch.durations[-1]), 1)
    return last * batch.time_base + stretch.shift


def _encode(
    work: Translation, muxer: str, journal: Journal, memory: _Recall, clock: FrameClock
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
    work.gate()
    return 0


@dataclass
class _Recall:
    """What must be known to go on after a segment: the stages' memory, and the last faces.

    The stages see a batch together with the crops of the batches within their reach. So a run that
    goes on decodes the batches around the joint again, and gives them the faces that were found in
    them.
    """

    staged: Staged
    reader: ClipReader
    skip: int = 0
    """Number of the first frame that the stages must see."""
    stretch: Stretch = field(default_factory=Stretch)
    """The part of the clip that is in whole segments."""

    def __post_init__(self) -> None:
        self._seen: deque[tuple[int, int, Faces]] = deque()
        self._known: dict[int, Faces] = {}
        self.stages = dataclasses.replace(
            self.staged.stages, find_faces=self._find, align=self._align
        )

    def wake(self, journal: Journal, report: RunReport) -> FrameClock:
        """Remember what the journal holds; the clock of the frames that follow."""
        if not journal.segments:
            return FrameClock()
        known, clock, passes, end = thaw(journal.state, self.staged.memory, TOOLS)
        self._known, self.staged.finder.passes = known, passes
        self.stretch = dataclasses.replace(self.reader.stretch, end=end)
        self.skip = min(known, default=journal.end)
        report.frames_in = report.frames_out = journal.end
        report.notes.append(f"resumed at frame {journal.end}")
        return FrameClock(*clock)

    def keep(self, batch: FrameBatch, clock: FrameClock) -> bytes:
        """All of it after this batch, as bytes."""
        over = end_of(batch, self.reader.stretch)
        self.stretch = dataclasses.replace(self.reader.stretch, end=over)
        needed = batch.first_index + len(batch) - self.stages.reach
        faces = {first: faces for first, end, faces in self._seen if end > needed}
        extra = (faces, (clock.last, clock.moved), self.staged.finder.passes, over)
        return freeze(self.staged.memory, TOOLS, extra)

    def _find(self, batches: Any) -> Iterator[tuple[FrameBatch, Faces]]:
        iterator = iter(batches)
        for first in sorted(self._known):
            for batch in iterator:
                assert batch.first_index == first, (batch.first_index, first)
                yield batch, self._known[first]
                break
        yield from self.staged.stages.find_faces(iterator)

    def _align(self, batch: FrameBatch, faces: Faces) -> FaceCrops:
        first, end = batch.first_index, batch.first_index + len(batch)
        # Batches come out when all within their reach are known; what they look back at is kept.
        while self._seen and self._seen[0][1] < first - 2 * (self.stages.reach + len(batch)):
            self._seen.popleft()
        self._seen.append((first, end, Faces.none()))
        crops = self.staged.stages.align(batch, faces)
        self._seen[-1] = (first, end, faces)
        return crops


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
