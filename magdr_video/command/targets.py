"""Where each result goes, and what is left alone because of what is there already."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import typer

from magdr_video.batch.archive import Archive
from magdr_video.batch.jobs import Job
from magdr_video.batch.whole import Entry
from magdr_video.command.inputs import VIDEO_SUFFIXES, Source
from magdr_video.errors import MagdrError, OutputError, UsageError
from magdr_video.video.pipes import is_standard


@dataclass(frozen=True)
class Overwriting:
    """What the user said about files and work that exist: -y, -n, --resume, or nothing."""

    yes: bool = False
    no: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.yes and self.no:
            raise UsageError("-y and -n contradict each other", hint="give one of them")

    def allows(self, target: Path) -> bool:
        """True to write, False to skip; asks on a terminal.

        Raises:
            OutputError: the target exists and nobody can be asked.
        """
        if not target.exists() or self.yes:
            self._spare_work(target)
            return True
        if self.no:
            return False
        if sys.stdin.isatty() and sys.stderr.isatty():
            with suppress(typer.Abort):  # the terminal has gone
                return typer.confirm(f"{target} exists. Overwrite?", err=True)
        raise OutputError(f"{target} exists", hint="-y overwrites, -n skips")

    def _spare_work(self, target: Path) -> None:
        """Do not throw away what an interrupted run has done unless told to."""
        from magdr_video.video.journal import holds_work

        if holds_work(target) and not (self.yes or self.resume):
            raise OutputError(
                f"an interrupted run of {target} has left its work",
                hint="--resume goes on with it, -y begins anew",
            )


def plan(
    sources: Sequence[Source],
    output: Path | None,
    *,
    many: bool,
    overwriting: Overwriting,
    archive: Archive | None = None,
    compare: Path | None = None,
    dry: bool = False,
    ending: str = "_defended",
) -> list[Entry]:
    """One entry for each input: to be worked on, skipped, or refused.

    Questions are asked here, all before any work, so that a long batch does not wait for an
    answer in the middle of the night.

    Args:
        sources: the inputs.
        output: what -o says.
        many: whether -o must name a directory.
        overwriting: what the user said about files that exist.
        archive: clips that are done.
        compare: where the comparison film goes, a directory for several inputs.
        dry: make no folder.
        ending: added to the name of an input where -o names none.

    Raises:
        UsageError: several inputs and one output file, or two inputs with one target.
    """
    for place, flag in ((output, "-o"), (compare, "--compare")):
        if many and place is not None and _is_file_name(place):
            raise UsageError(
                f"{len(sources)} inputs cannot all become {place}",
                hint=f"name a directory with {flag}",
            )
    targets = [target_of(source, output, many, ending) for source in sources]
    films = [film_of(source, compare, many) for source in sources]
    if set(targets) & set(films):
        raise UsageError(
            f"-o and --compare would both write {next(t for t in targets if t in films)}",
            hint="give them other names",
        )
    _refuse_shared(sources, [*targets, *(film for film in films if film is not None)])
    return [
        _entry(Job(source.path, target, film), overwriting, archive, many=many, dry=dry)
        for source, target, film in zip(sources, targets, films, strict=True)
    ]


def target_of(source: Source, output: Path | None, many: bool, ending: str = "_defended") -> Path:
    """Where the result of an input goes: beside it, into a directory, or to the file named."""
    from magdr_video.video.placement import default_target

    if output is None and is_standard(source.path):
        raise UsageError("standard input has no name to give the output", hint="name it with -o")
    if output is None:
        return default_target(source.path, ending)
    if many or output.is_dir():
        name = "stdin.mp4" if is_standard(source.path) else source.path.name
        return output / source.below / default_target(Path(name), ending).name
    return output


def film_of(source: Source, compare: Path | None, many: bool) -> Path | None:
    """Where the comparison film of an input goes: into a directory, or to the file named."""
    if compare is None or not (many or compare.is_dir()):
        return compare
    return compare / source.below / f"{source.path.stem}_compared.mp4"


def _is_file_name(output: Path) -> bool:
    if output.exists():
        return not output.is_dir()
    return output.suffix.lower() in VIDEO_SUFFIXES or str(output) == "-"


def _refuse_shared(sources: Sequence[Source], targets: Sequence[Path]) -> None:
    """Two inputs such as a.avi and a.mp4 would become one file, the later over the earlier."""
    taken: dict[Path, Path] = {}
    for source, target in zip(cycle(sources), targets, strict=False):
        if target in taken:
            raise UsageError(
                f"{taken[target]} and {source.path} would both become {target}",
                hint="give them other names, or to two runs with different -o",
            )
        taken[target] = source.path


def _entry(
    job: Job, overwriting: Overwriting, archive: Archive | None, *, many: bool, dry: bool
) -> Entry:
    assert job.target is not None
    if is_standard(job.target):
        return Entry(job)
    if archive is not None and archive.holds(job.source, job.target):
        return Entry(job, skipped="done before, says the archive")
    try:
        for place in (job.target, job.film):
            if place is None or (many and not _has_folder(place, dry)):
                continue
            _check_places(job.source, place)
            if not overwriting.allows(place):
                return Entry(job, skipped=f"{place} exists")
    except MagdrError as error:
        return Entry(job, refusal=error)
    return Entry(job)


def _has_folder(target: Path, dry: bool) -> bool:
    """Make the folder that a batch writes to; a dry run only tells whether it is there."""
    if not dry:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {target.parent}: {error.strerror}") from error
    return target.parent.is_dir()


def _check_places(source: Path, target: Path) -> None:
    from magdr_video.video.placement import check_paths

    check_paths(source, target, overwrite=True)
