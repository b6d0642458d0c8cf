"""Progress and tables for people: the only home of rich. Everything here writes to stderr,
except tables that are a command's result."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from magdr_video.errors import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

MODES = ("auto", "bar", "json", "none")
SPARSE_SECONDS = 5.0
"""Seconds between lines where no bar can be drawn."""
UNFOLDED = 10_000
"""Columns of a table that goes to a file or a pipe, at most."""


class Board:
    """Shows how far each of several clips has come; this one shows nothing.

    Position comes from time, never from frame counts, which containers get wrong.

    Args:
        labels: what each clip is called, in the order of the batch.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels

    def begin(self, index: int, total: float | None) -> None:
        """A clip is open and lasts `total` seconds, None where unknown."""

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        """So many frames of a clip are done; its time has reached `seconds`."""

    def finish(self, index: int, code: int, message: str) -> None:
        """A clip has ended with this exit code; `message` is that of an error, or empty."""

    def say(self, text: str) -> None:
        """One line for people."""
        say(text)


class _Quiet(Board):
    def say(self, text: str) -> None:
        """Nothing."""


class _Pace:
    """Frames a second of one clip, since its first report.

    Neither loading the models nor the frames that a resumed run finds done count.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: tuple[float, int] | None = None

    def rate(self, frames: int) -> float:
        """At this moment, with so many frames done."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, frames
            return frames / max(1e-6, now - self._began)
        began, before = self._first
        return (frames - before) / max(1e-6, now - began)


class _Lines(Board):
    """A line now and then for each clip."""

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__(labels)
        self._paces: dict[int, _Pace] = {}
        self._last: dict[int, float] = {}
        self._totals: dict[int, float | None] = {}

    def begin(self, index: int, total: float | None) -> None:
        self._paces[index] = _Pace()
        self._last[index] = time.monotonic()
        self._totals[index] = total

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        now, rate = time.monotonic(), round(self._paces[index].rate(frames), 2)
        if now - self._last[index] >= SPARSE_SECONDS:
            self._last[index] = now
            place = f"[{index + 1}/{len(self._labels)}] " if len(self._labels) > 1 else ""
            label = f"{place}{self._labels[index]}"
            say(f"{label}: {frames} frames, {float(seconds):.1f} s of film, {rate} a second")


class _Json(_Lines):
    """One object a line; `event` is 'begin', 'progress', 'end' or 'note'."""

    def begin(self, index: int, total: float | None) -> None:
        super().begin(index, total)
        self._emit(index, event="begin", total_seconds=total)

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        self._emit(
            index,
            event="progress",
            frames=frames,
            seconds=round(float(seconds), 3),
            total_seconds=self._totals[index],
            frames_per_second=round(self._paces[index].rate(frames), 2),
        )

    def finish(self, index: int, code: int, message: str) -> None:
        self._emit(index, event="end", exit_code=code, message=message)

    def say(self, text: str) -> None:
        say(json.dumps({"event": "note", "text": text}))

    def _emit(self, index: int, **values: Any) -> None:
        about = {"input": self._labels[index], "file": index + 1, "files": len(self._labels)}
        say(json.dumps({"event": values.pop("event"), **about, **values}))


class _Bars(Board):
    """A bar for each clip that is worked on, and one for all of them where there are several."""

    def __init__(self, labels: Sequence[str], bars: Progress) -> None:
        super().__init__(labels)
        self._bars = bars
        self._tasks: dict[int, TaskID] = {}
        self._paces: dict[int, _Pace] = {}
        self._all: TaskID | None = None
        if len(labels) > 1:
            self._all = bars.add_task(f"0 of {len(labels)} clips", total=len(labels), about="")
        self._ended = 0

    def begin(self, index: int, total: float | None) -> None:
        label = printable(self._labels[index])
        self._tasks[index] = self._bars.add_task(label, total=total, about="")
        self._paces[index] = _Pace()

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        about = f"{frames} frames, {self._paces[index].rate(frames):.1f} a second"
        self._bars.update(self._tasks[index], completed=float(seconds), about=about)

    def finish(self, index: int, code: int, message: str) -> None:
        if (task := self._tasks.pop(index, None)) is not None:
            self._bars.remove_task(task)
        self._ended += 1
        if self._all is not None:
            text = f"{self._ended} of {len(self._labels)} clips"
            self._bars.update(self._all, completed=self._ended, description=text)


@contextmanager
def progress(mode: str, labels: Sequence[str], *, quiet: bool = False) -> Iterator[Board]:
    """Show the progress of one clip or of several.

    Args:
        mode: one of `MODES`; 'auto' is bars on a terminal and sparse lines elsewhere.
        labels: what each clip is called, in the order of the batch.
        quiet: show nothing at all, notes included.
    """
    if mode == "auto":
        mode = "bar" if sys.stderr.isatty() else "lines"
    if quiet:
        yield _Quiet(labels)
    elif mode == "none":
        yield Board(labels)
    elif mode == "bar":
        with _drawn() as bars:
            yield _Bars(labels, bars)
    else:
        yield _Json(labels) if mode == "json" else _Lines(labels)


@contextmanager
def _drawn() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[about]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield bars


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a result table on stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Text and not str: a name such as "[bold]" is no markup.
    table = Table()
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # Away from a terminal nothing is folded: a path stays one word, for grep and for copying.
    width = None if sys.stdout.isatty() else UNFOLDED
    console = Console(width=width)
    console.print(Text(printable(title), style="italic"), soft_wrap=True)
    console.print(table)


def say(text: str) -> None:
    """One line for people, on stderr."""
    print(printable(text), file=sys.stderr, flush=True)
