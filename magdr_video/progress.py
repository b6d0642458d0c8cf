"""Progress and tables for people: the only home of rich. Everything here writes to stderr,
except tables that are a command's result."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction

Tick = Callable[[int, Fraction], None]

MODES = ("auto", "bar", "json", "none")
SPARSE_SECONDS = 5.0
"""Seconds between lines where no bar can be drawn."""


@contextmanager
def progress(mode: str, label: str, total: float | None, *, quiet: bool = False) -> Iterator[Tick]:
    """A ticker for one clip.

    Args:
        mode: one of `MODES`; 'auto' is a bar on a terminal and sparse lines elsewhere.
        label: what is being worked on.
        total: seconds of the clip where known; position comes from time, never from counts.
    """
    if mode == "auto":
        mode = "bar" if sys.stderr.isatty() else "lines"
    if quiet or mode == "none":
        yield lambda frames, seconds: None
    elif mode == "bar":
        with _bar(label, total) as tick:
            yield tick
    else:
        yield _lines(label, total, as_json=mode == "json")


@contextmanager
def _bar(label: str, total: float | None) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[frames]} frames, {task.fields[rate]:.1f} a second"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total, frames=0, rate=0.0)

        def tick(frames: int, seconds: Fraction) -> None:
            rate = frames / max(1e-6, time.monotonic() - began)
            bar.update(task, completed=float(seconds), frames=frames, rate=rate)

        yield tick


def _lines(label: str, total: float | None, *, as_json: bool) -> Tick:
    began = last = time.monotonic()

    def tick(frames: int, seconds: Fraction) -> None:
        nonlocal last
        now = time.monotonic()
        if not as_json and now - last < SPARSE_SECONDS:
            return
        last = now
        rate = round(frames / max(1e-6, now - began), 2)
        if as_json:
            at = {"input": label, "frames": frames, "seconds": round(float(seconds), 3)}
            line = json.dumps(at | {"total_seconds": total, "frames_per_second": rate})
        else:
            line = f"{label}: {frames} frames, {float(seconds):.1f} s of film, {rate} a second"
        print(line, file=sys.stderr, flush=True)

    return tick


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a result table on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*row)
    width = None if sys.stdout.isatty() else 160
    Console(width=width).print(table)


def say(text: str) -> None:
    """One line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)
