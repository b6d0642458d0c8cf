"""Inputs worked on under the progress that was asked for."""

from __future__ import annotations

from collections.abc import Callable

from magdr_video.batch.archive import Archive
from magdr_video.batch.jobs import Document, Job, Work
from magdr_video.batch.whole import Batch, Entry, run_batch
from magdr_video.command.reports import Speaker
from magdr_video.command.tables import DryRun
from magdr_video.progress import progress
from magdr_video.video.pipes import is_standard


def run_entries(
    entries: list[Entry],
    work: Work,
    progress_mode: str,
    quiet: bool,
    fail_fast: bool,
    result: Callable[[Document], list[str]],
    archive: Archive | None = None,
) -> Batch:
    """Work on the inputs; see `batch.whole.run_batch`.

    Args:
        entries: the inputs.
        work: what is done with each.
        progress_mode: as `progress.progress`.
        quiet: show nothing.
        fail_fast: begin nothing more once an input has failed.
        result: says what a clip that is done came to, line by line.
        archive: takes down what gets done.
    """

    def done(job: Job) -> None:
        if archive is not None and job.target is not None and not is_standard(job.source):
            archive.add(job.source, job.target)

    names = [entry.job.source.name for entry in entries]
    with progress(progress_mode, names, quiet=quiet) as board:
        return run_batch(
            entries,
            work,
            Speaker(board, entries, result),
            jobs=1 if isinstance(work, DryRun) else work.settings.run.jobs,
            fail_fast=fail_fast,
            done=done,
        )


def plan_entries(entries: list[Entry], work: DryRun, quiet: bool, fail_fast: bool) -> Batch:
    """Show what would be done with the inputs; writes nothing."""
    return run_entries(entries, work, "none", quiet, fail_fast, lambda _: [])
