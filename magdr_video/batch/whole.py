"""Directories and lists: many files, one report."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol

from magdr_video import __version__
from magdr_video.batch.jobs import Document, Job, Work, attempt, error_of, failed
from magdr_video.batch.workers import Listener, run_in_workers
from magdr_video.errors import ClosedPipe, Interrupted, MagdrError, PartialFailure

SCHEMA = 1


class Audience(Listener, Protocol):
    """Is told of progress, and of every clip that has ended."""

    def end(self, index: int, document: Document) -> None:
        """A clip has its report, good or bad."""


@dataclass(frozen=True)
class Entry:
    """One input of a batch and what is to become of it."""

    job: Job
    skipped: str = ""
    """Why nothing is done with it; empty where it is worked on."""
    refusal: MagdrError | None = None
    """Why it cannot be worked on, where that is known before the work."""


@dataclass
class Batch:
    """What a batch has come to; every list is in the order of the inputs."""

    entries: Sequence[Entry]
    reports: dict[int, Document] = field(default_factory=dict)
    """By place in `entries`, for every input that was begun."""
    interruption: Interrupted | None = None

    @property
    def documents(self) -> list[Document]:
        """The reports in the order of the inputs."""
        return [self.reports[index] for index in sorted(self.reports)]

    @property
    def done(self) -> list[Document]:
        """The reports on inputs that are whole."""
        return [document for document in self.documents if document["exit_code"] == 0]

    @property
    def failures(self) -> list[MagdrError]:
        """What ended the inputs that failed; a signal is no failure of theirs."""
        return [
            error
            for one in self.documents
            if not _was_stopped(one) and (error := error_of(one)) is not None
        ]

    @property
    def left(self) -> list[Job]:
        """Inputs that were not begun, or begun and not ended; skipped ones need nothing."""
        ended = {i for i, one in self.reports.items() if not _was_stopped(one)}
        held = enumerate(self.entries)
        return [e.job for i, e in held if i not in ended and not e.skipped]

    @property
    def ending(self) -> MagdrError | None:
        """The error that the whole ends with: the one input's own, the common code, or 9."""
        failures, total = self.failures, len(self.entries)
        if self.interruption is not None:
            return self.interruption if total == 1 else self._stopped(self.interruption)
        if not failures or total == 1:
            return failures[0] if failures else None
        codes = {error.exit_code for error in failures}
        left = f", {len(self.left)} left" if self.left else ""
        summary = PartialFailure(f"{len(failures)} of {total} inputs failed{left}")
        if not self.done and not any(entry.skipped for entry in self.entries):
            summary.exit_code = codes.pop() if len(codes) == 1 else 1
        return summary

    def _stopped(self, stop: Interrupted) -> Interrupted:
        return Interrupted(
            f"stopped by a signal; {len(self.left)} of {len(self.entries)} inputs are left",
            signal_number=stop.exit_code - 128,
            hint="the same command with --resume goes on, with --archive past those that are done",
        )

    def document(self, command: str) -> Document:
        """One report for all (`batch.schema.json`)."""
        ending = self.ending
        skipped = [
            {"input": str(e.job.source), "output": _text(e.job), "reason": e.skipped}
            for e in self.entries
            if e.skipped
        ]
        return {
            "schema": SCHEMA,
            "tool": "magdr-video",
            "version": __version__,
            "command": command,
            "inputs": len(self.entries),
            "done": len(self.done),
            "failed": len(self.failures),
            "skipped": skipped,
            "left": [str(job.source) for job in self.left],
            "exit_code": ending.exit_code if ending else 0,
            "error": {"message": str(ending), "hint": ending.hint} if ending else None,
            "runs": self.documents,
        }


def run_batch(
    entries: Sequence[Entry],
    work: Work,
    audience: Audience,
    *,
    jobs: int = 1,
    fail_fast: bool = False,
    done: Callable[[Job], None] = lambda job: None,
) -> Batch:
    """Work on every input; one that fails does not stop the others.

    A single input runs in this process and its own mistakes (not `MagdrError`) pass through; of
    several inputs, each has its report.

    Args:
        entries: the inputs, in the order of the report.
        work: what is done with each; models are loaded once, or once in each process.
        audience: told of progress and ends, in this thread.
        jobs: processes; 1 works in this one.
        fail_fast: begin nothing more once an input has failed.
        done: called after each input that is whole.

    Returns:
        The batch; a signal ends it early and is held in `interruption`, so that what was done
        can still be reported.
    """
    batch = Batch(entries)

    def note(index: int, document: Document) -> None:
        batch.reports[index] = document
        audience.end(index, document)
        if document["exit_code"] == 0:
            done(entries[index].job)

    try:
        with closing(_reports(entries, work, audience, jobs, note)) as reports:
            for index, document in reports:
                note(index, document)
                if _was_stopped(document):
                    raise _interruption(document)
                if document["exit_code"] and fail_fast:
                    break
    except Interrupted as stop:
        batch.interruption = stop
    return batch


def _reports(
    entries: Sequence[Entry],
    work: Work,
    listener: Listener,
    jobs: int,
    late: Callable[[int, Document], None],
) -> Generator[tuple[int, Document], None, None]:
    """First what is refused at once, then each clip as it ends."""
    for index, entry in enumerate(entries):
        if entry.refusal is not None:
            yield index, failed(work, entry.job, entry.refusal)
    waiting = [
        (index, entry.job)
        for index, entry in enumerate(entries)
        if not entry.skipped and entry.refusal is None
    ]
    if jobs > 1 and len(waiting) > 1:
        yield from run_in_workers(work, waiting, jobs, listener, late)
    elif len(entries) == 1 and waiting:
        yield 0, _alone(work, entries[0].job, _Watch(listener, 0))
    else:
        for index, job in waiting:
            yield index, attempt(work, job, _Watch(listener, index))


def _alone(work: Work, job: Job, watch: _Watch) -> Document:
    try:
        return work(job, watch)
    except ClosedPipe:
        raise
    except MagdrError as error:
        return failed(work, job, error)


def _was_stopped(document: Document) -> bool:
    """True where a signal ended the work on a clip."""
    return int(document["exit_code"]) > 128


def _interruption(document: Document) -> Interrupted:
    about = document["error"]
    number = document["exit_code"] - 128
    return Interrupted(about["message"], signal_number=number, hint=about["hint"])


class _Watch:
    """Tells a listener of one clip."""

    def __init__(self, listener: Listener, index: int) -> None:
        self._listener, self._index = listener, index

    def begin(self, total: float | None) -> None:
        self._listener.begin(self._index, total)

    def tick(self, frames: int, seconds: Fraction) -> None:
        self._listener.tick(self._index, frames, seconds)


def _text(job: Job) -> Any:
    return None if job.target is None else str(job.target)
