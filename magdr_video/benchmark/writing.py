"""Writes what a benchmark found: document, tables and figures."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from magdr_video.benchmark.table import Table
from magdr_video.errors import OutputError
from magdr_video.provenance import write_json


def make_folder(folder: Path) -> None:
    """Make a folder for documents.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make {folder}: {error.strerror}") from error


def write_benchmark(
    folder: Path,
    name: str,
    held: Mapping[str, Any],
    tables: Sequence[Table],
    figures: Mapping[str, Callable[[Path], None]],
    say: Callable[[str], None],
) -> None:
    """Document, Markdown, LaTeX and figures, named after the benchmark.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_json(folder / f"{name}.json", held)
    try:
        markdown = "\n\n".join(table.markdown() for table in tables)
        (folder / f"{name}.md").write_text(markdown + "\n", encoding="utf-8")
        latex = "\n\n".join(table.latex() for table in tables)
        (folder / f"{name}.tex").write_text(latex + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write to {folder}: {error.strerror}") from error
    if importlib.util.find_spec("matplotlib") is None:
        say('no figures: they need matplotlib (pip install "magdr-video[benchmark]")')
        return
    for figure, draw in figures.items():
        draw(folder / f"{name}-{figure}.png")
