"""Stand-ins for what is done with a clip, in a module that worker processes can import quickly."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

from magdr_video.batch.jobs import Document, Job, Watch
from magdr_video.batch.whole import Batch, Entry, run_batch
from magdr_video.errors import InputError, MagdrError, SettingsError
from magdr_video.report import report_document
from magdr_video.settings import Settings, load_settings


@dataclass
class NamedWork:
    """Does what the name of a clip says, and keeps a diary: one line for each thing done."""

    diary: Path
    command: ClassVar[str] = "defend"
    settings: Settings = field(default_factory=lambda: load_settings(task="edit"))
    _loaded: bool = field(default=False, init=False)

    def __call__(self, job: Job, watch: Watch) -> Document:
        if not self._loaded:
            self._loaded = True
            self.note("load", os.environ.get("OMP_NUM_THREADS"))
        watch.begin(2.0)
        self.note("clip", job.source.stem)
        self._behave(job, watch)
        watch.tick(50, Fraction(2))
        if job.target is not None:
            job.target.write_text(job.source.stem)
        return report_document(
            command="defend",
            source=job.source,
            output=job.target,
            settings=self.settings,
            report=None,
        )

    def _behave(self, job: Job, watch: Watch) -> None:
        name = job.source.stem
        if "bad" in name:
            raise InputError(f"{job.source} is no film", hint="name a film")
        if "odd" in name:
            raise SettingsError(f"{job.source} is odd")
        if "bug" in name:
            raise ValueError("a mistake of ours")
        if "crash" in name:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "slow" in name:
            self._dawdle(job, watch)
        if "stubborn" in name:
            self._go_on(watch)

    def _dawdle(self, job: Job, watch: Watch) -> None:
        """A minute of work that leaves nothing half-done when it is stopped."""
        part = job.source.with_suffix(".part")
        part.touch()
        try:
            for step in range(600):
                time.sleep(0.1)
                watch.tick(step, Fraction(step, 10))
        except MagdrError:
            self.note("stopped", job.source.stem)
            raise
        finally:
            part.unlink()

    def _go_on(self, watch: Watch) -> None:
        """Work until a signal comes, then finish all the same."""
        try:
            for step in range(600):
                time.sleep(0.1)
                watch.tick(step, Fraction(step, 10))
        except MagdrError:
            self.note("heard", "it")

    def note(self, *words: Any) -> None:
        with self.diary.open("a") as held:
            held.write(" ".join(map(str, (os.getpid(), *words))) + "\n")

    def notes(self, kind: str) -> list[tuple[str, str]]:
        """(process, word) of every line of this kind."""
        lines = self.diary.read_text().splitlines() if self.diary.exists() else []
        split = [line.split(" ", 2) for line in lines]
        return [(pid, word) for pid, about, word in split if about == kind]


class Gallery:
    """Sees what a batch reports."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ticks: list[tuple[int, int]] = []
        self.ended: list[int] = []

    def begin(self, index: int, total: float | None) -> None:
        assert total == 2.0
        self.begun.append(index)

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        self.ticks.append((index, frames))

    def end(self, index: int, document: Document) -> None:
        self.ended.append(index)


def entries(folder: Path, *names: str) -> list[Entry]:
    return [Entry(Job(folder / f"{name}.mp4", folder / f"{name}.out")) for name in names]


def run(folder: Path, *names: str, jobs: int = 1, **more: Any) -> tuple[Batch, NamedWork, Gallery]:
    work, gallery = NamedWork(folder / "diary"), Gallery()
    return run_batch(entries(folder, *names), work, gallery, jobs=jobs, **more), work, gallery


def main() -> None:
    """`python -m tests.batch.works FOLDER NAME...`: two workers, as the program runs a batch."""
    from magdr_video.command import app
    from magdr_video.command import main as start

    folder = Path(sys.argv[1])

    def command() -> None:
        batch, _, _ = run(folder, *sys.argv[2:], jobs=2)
        print([Path(job.source).stem for job in batch.left], flush=True)
        if batch.ending is not None:
            raise batch.ending

    app.app = lambda *_, **__: command()  # type: ignore[assignment]
    start()


if __name__ == "__main__":
    main()
