"""What a run of the program in this process came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magdr_video.report import report_document
from magdr_video.types import RunReport


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("magdr-video:")]


Run = Callable[..., Outcome]


def document(command: str, source: Path, target: Path | None, settings: Any) -> dict[str, Any]:
    report = RunReport(frames_in=3, frames_out=3, faces=3, faces_perturbed=2)
    return report_document(
        command=command, source=source, output=target, settings=settings, report=report
    )


def assert_error(outcome: Outcome, code: int, word: str) -> None:
    """One line that says it, on stderr, and nothing on stdout."""
    assert outcome.code == code, outcome.err
    assert len(outcome.error_lines) == 1
    assert word in outcome.error_lines[0]
    assert outcome.out == ""
    assert "Traceback" not in outcome.err


def assert_nothing_new(folder: Path, *known: Path) -> None:
    assert sorted(folder.iterdir()) == sorted(known)
