"""What a command does with one clip, as values that a worker process can be given."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from magdr_video.errors import (
    ClosedPipe,
    Interrupted,
    MagdrError,
    RuntimeFailure,
    SettingsError,
)
from magdr_video.settings import Settings
from magdr_video.stopping import patiently
from magdr_video.video.pipes import is_standard
from magdr_video.video.span import WHOLE, Span

if TYPE_CHECKING:
    from magdr_video.runs import Models
    from magdr_video.video.clip_info import ClipInfo

Document = dict[str, Any]
"""A report, as `report.report_document` makes it."""


@dataclass(frozen=True)
class Job:
    """One clip to work on."""

    source: Path
    target: Path | None = None
    """Where the result goes; None where none is written."""
    film: Path | None = None
    """Where a film of source, undefended and defended result goes; None where none is made."""


class Watch(Protocol):
    """Is told how far one clip has come."""

    def begin(self, total: float | None) -> None:
        """The clip is open and lasts `total` seconds, None where unknown."""

    def tick(self, frames: int, seconds: Fraction) -> None:
        """So many frames are done; the clip's time has reached `seconds`."""


class Work(Protocol):
    """What is done with each clip of a batch. Must be picklable before its first call."""

    @property
    def command(self) -> str:
        """Which command's work it is."""

    @property
    def settings(self) -> Settings:
        """Those of every clip."""

    def __call__(self, job: Job, watch: Watch) -> Document:
        """Do it; the report is what it returns."""


@dataclass
class _WithModels:
    """Loads the models for the first clip and keeps them for the others."""

    settings: Settings
    _held: list[Models] = field(default_factory=list, init=False, repr=False)

    def models(self) -> Models:
        """Those that the settings name."""
        from magdr_video.runs import load_models

        if not self._held:
            self._held.append(load_models(self.settings))
        return self._held[0]


@dataclass
class Writing(_WithModels):
    """Work that writes a clip."""

    command: ClassVar[str]
    encoder: Mapping[str, str] = field(default_factory=dict)
    """Further options of the encoder."""

    def check(self, job: Job) -> float | None:
        """Refuse before any model is loaded what would be refused after it.

        Returns:
            Seconds of film to work on, about; None where unknown.

        Raises:
            MagdrError: unreadable input or picture of a face, HDR that nobody allowed, marks that
                cannot be given.
        """
        from magdr_video.faces.selection import parse_choice
        from magdr_video.provenance import output_metadata
        from magdr_video.runs import refuse_hdr
        from magdr_video.video.failures import check_readable
        from magdr_video.video.reader import probe

        if parse_choice(self.settings.faces.which)[0] == "picture":
            check_readable(Path(self.settings.faces.which))
        if is_standard(job.source):
            return None  # it can be read only once, by the run itself
        clip = probe(job.source)
        about = self.settings.output
        refuse_hdr(clip, about.hdr)
        output_metadata(self.settings.task, about.provenance, clip.metadata)
        return self._seconds(clip)

    def _seconds(self, clip: ClipInfo) -> float | None:
        return float(clip.duration) if clip.duration else None


@dataclass
class Defence(Writing):
    """Translates clips, defended as the settings say."""

    command: ClassVar[str] = "defend"
    driving: Path | None = None
    span: Span = WHOLE
    """The part of each clip that is translated."""
    resume: bool = False
    """Go on with what an interrupted run left."""

    def check(self, job: Job) -> float | None:
        """As every work that writes a clip, and the driving clip.

        Raises:
            MagdrError: as for `Writing`; a driving clip that cannot be read, or for another task.
        """
        from magdr_video.video.reader import probe

        if self.driving is not None:
            if self.settings.task != "reenact":
                raise SettingsError(
                    f"--driving steers reenact, the task is {self.settings.task}",
                    hint="add --task reenact, or drop --driving",
                )
            probe(self.driving)
        return super().check(job)

    def _seconds(self, clip: ClipInfo) -> float | None:
        length = self.span.length(clip.duration, clip.average_rate)
        return None if length is None else float(length)

    def __call__(self, job: Job, watch: Watch) -> Document:
        """Translate `job.source` into `job.target`, which is replaced if it exists."""
        assert job.target is not None
        with _telling_of_work(job.target):
            return self._defend(job, job.target, watch)

    def _defend(self, job: Job, target: Path, watch: Watch) -> Document:
        from magdr_video.comparison import write_comparison
        from magdr_video.runs import translate_clip

        watch.begin(self.check(job))
        models = self.models()
        with patiently() as stop:
            document = translate_clip(
                job.source,
                target,
                self.settings,
                models=models,
                driving=self.driving,
                options=self.encoder,
                span=self.span,
                overwrite=True,
                resume=self.resume,
                tick=watch.tick,
                stop=stop,
            )
        if job.film is not None:
            write_comparison(
                job.source,
                target,
                job.film,
                self.settings,
                models,
                driving=self.driving,
                options=self.encoder,
                span=self.span,
                tick=watch.tick,
            )
            document["run"]["notes"].append(f"comparison film: {job.film}")
        return document


@contextmanager
def _telling_of_work(target: Path) -> Iterator[None]:
    """A run that is stopped on the spot says, too, where its finished segments are kept."""
    from magdr_video.video.journal import holds_work

    try:
        yield
    except Interrupted as stop:
        if not stop.hint and holds_work(target):
            stop.hint = "finished segments are kept: the same command with --resume goes on"
        raise


@dataclass
class Protection(Writing):
    """Perturbs the faces of clips."""

    command: ClassVar[str] = "protect"

    def __call__(self, job: Job, watch: Watch) -> Document:
        """Write `job.source` with perturbed faces to `job.target`, replaced if it exists."""
        from magdr_video.protection import protect_clip

        assert job.target is not None
        watch.begin(self.check(job))
        return protect_clip(
            job.source,
            job.target,
            self.settings,
            self.models(),
            options=self.encoder,
            overwrite=True,
            tick=watch.tick,
        )


@dataclass
class Judgement(_WithModels):
    """Judges the faces of clips; writes nothing."""

    command: ClassVar[str] = "detect"
    sample: int = 0
    """Frames to judge, drawn at random; 0 judges all."""

    def __call__(self, job: Job, watch: Watch) -> Document:
        """Judge `job.source`."""
        from magdr_video.runs import detect_clip
        from magdr_video.video.reader import probe

        length = None if is_standard(job.source) else probe(job.source).duration
        watch.begin(float(length) if length else None)
        return detect_clip(
            job.source,
            self.settings,
            models=self.models(),
            sample=self.sample,
            tick=watch.tick,
        )


def attempt(work: Work, job: Job, watch: Watch) -> Document:
    """Do one clip of several: a failure becomes the clip's report and stops nothing else.

    A signal is a failure with a code above 128, for the caller to act on. A mistake of our own
    keeps its traceback, on stderr.

    Raises:
        BrokenPipeError, ClosedPipe: whoever reads our output has gone.
    """
    try:
        return work(job, watch)
    except (BrokenPipeError, ClosedPipe):
        raise
    except MagdrError as error:
        return failed(work, job, error)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return failed(work, job, RuntimeFailure(f"{type(error).__name__}: {error}"))


def failed(work: Work, job: Job, error: MagdrError) -> Document:
    """The report on a clip that an error ended."""
    from magdr_video.report import report_document

    return report_document(
        command=work.command,
        source=job.source,
        output=None,
        settings=work.settings,
        report=error.run,
        error=error,
    )


def error_of(document: Document) -> MagdrError | None:
    """What ended the clip, as far as its report tells; None where it is done."""
    if document["error"] is None:
        return None
    error = MagdrError(document["error"]["message"], hint=document["error"]["hint"])
    error.exit_code = document["exit_code"]
    return error
