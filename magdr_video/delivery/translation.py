"""One clip under translation: its frames through the stages, its writer, its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from magdr_video import provenance
from magdr_video.delivery.spent_memory import ending_when_spent
from magdr_video.device import give_back_memory
from magdr_video.errors import Interrupted, RuntimeFailure
from magdr_video.pipeline import Stages, run
from magdr_video.settings import Settings
from magdr_video.staging import Staged
from magdr_video.types import FrameBatch, RunReport, StreamNote
from magdr_video.video.encoder import EncoderChoice
from magdr_video.video.pipes import PipeOutput
from magdr_video.video.placement import partial_path
from magdr_video.video.prefetch import prefetch
from magdr_video.video.reader import ClipReader
from magdr_video.video.stretch import Stretch
from magdr_video.video.writer import ClipWriter

Tick = Callable[[int, Fraction], None]
"""Progress: frames done and the time reached, in seconds after the first frame."""
Scouted = Callable[[Iterator[FrameBatch]], Iterator[FrameBatch]]
"""Passes batches on, the frames that are due searched for faces."""
Stop = Callable[[], int]
"""Asked now and then: the number of a signal that wants the run to end, or 0."""

Item = TypeVar("Item")

PREFETCHED_BATCHES = 1
SCOUTED_BATCHES = 1
"""Batches that may wait behind the decoder, and behind the search for faces."""
FINISHED_BATCHES = 1
"""Batches that may wait for the encoder; one more is in the stages' hands."""
TIDIED_BATCHES = 4
"""After so many, memory that is free goes back to the system."""


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
        """What leaves the stages.

        Args:
            stages: what is done.
            skip: number of the first frame that the stages see.
            begin: number of the first frame that comes out.
        """
        decoded, given, turn = begin, begin, 0

        def seen(batches: Iterator[FrameBatch]) -> Iterator[FrameBatch]:
            nonlocal decoded
            for batch in batches:
                if batch.first_index >= skip:
                    decoded += len(batch) if batch.first_index >= begin else 0
                    yield batch

        with read_ahead(self.reader, lambda held: self.staged.scouted(held, skip)) as ahead:
            strict = self.settings.run.strict
            guarded = ending_when_spent(stages)
            for batch in run(seen(ahead), guarded, self.report, strict=strict, begin=begin):
                given += len(batch)
                yield batch
                turn += 1
                if turn % TIDIED_BATCHES == 0:
                    give_back_memory()
        self._gate(decoded, given)

    def count(self, batch: FrameBatch) -> None:
        """A batch has been handed to the encoder."""
        self.report.frames_out += len(batch)
        reached = (int(batch.pts[-1]) - self.reader.info.first_pts) * batch.time_base
        self.tick(self.report.frames_out, reached)

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

    def gate(self, written: int) -> None:
        """As many frames must be in the film as left the stages.

        Raises:
            RuntimeFailure: they differ.
        """
        self._gate(self.report.frames_in, written)

    def _gate(self, given: int, got: int) -> None:
        """Frames out must equal frames in; checked on every run, not only in tests."""
        if given != got:
            raise RuntimeFailure(
                f"{self.reader.info.path}: {given} frames went in, {got} came out",
                hint="this is a mistake of magdr-video: please report it with the clip",
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
def worked_ahead(items: Iterator[Item]) -> Iterator[Iterator[Item]]:
    """What the stages make while the encoder is at work: they have a thread of their own."""
    ahead = prefetch(items, FINISHED_BATCHES, kept_for="stages")
    try:
        yield ahead
    finally:
        ahead.close()  # type: ignore[attr-defined]


@contextmanager
def read_ahead(reader: ClipReader, scouted: Scouted) -> Iterator[Iterator[FrameBatch]]:
    """Batches decoded in one thread, and searched for faces in another.

    Both end with the block, whatever happens in it.
    """
    ahead = prefetch(iter(reader), PREFETCHED_BATCHES)
    found = prefetch(scouted(ahead), SCOUTED_BATCHES)
    try:
        yield found
    finally:
        reader.abandon()
        found.close()  # type: ignore[attr-defined]
        ahead.close()  # type: ignore[attr-defined]


def end_of(batch: FrameBatch, stretch: Stretch) -> Fraction:
    """When the last frame of a batch is over, on the source's own clock."""
    last = int(batch.pts[-1]) + max(int(batch.durations[-1]), 1)
    return last * batch.time_base + stretch.shift
