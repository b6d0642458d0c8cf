"""Which files a command reads and where each result goes."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from magdr_video.errors import InputError, OutputError, UsageError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".flv")
)


def expand(inputs: list[Path]) -> list[Path]:
    """Files of the directories named, sorted, our own earlier outputs left out.

    Raises:
        InputError: a path that does not exist, or a directory without videos.
    """
    out: list[Path] = []
    for path in inputs:
        if not path.exists():
            raise InputError(f"{path} does not exist", hint="check the path")
        if not path.is_dir():
            out.append(path)
            continue
        found = [p for p in sorted(path.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES]
        found = [p for p in found if not p.stem.endswith("_defended")]
        if not found:
            raise InputError(
                f"{path} holds no videos", hint=f"looked for {' '.join(sorted(VIDEO_SUFFIXES))}"
            )
        out += found
    return out


def may_overwrite(target: Path, yes: bool, no: bool) -> bool | None:
    """True to write, None to skip; asks on a terminal.

    Raises:
        OutputError: the target exists and nobody can be asked.
    """
    if not target.exists() or yes:
        return True
    if no:
        return None
    if sys.stdin.isatty() and sys.stderr.isatty():
        return typer.confirm(f"{target} exists. Overwrite?", err=True) or None
    raise OutputError(f"{target} exists", hint="-y overwrites, -n skips")


def target_of(source: Path, output: Path | None, many: bool) -> Path:
    """Where the result of an input goes: beside it, into a directory, or to the file named."""
    from magdr_video.runs import default_target

    if output is None:
        return default_target(source)
    if many or output.is_dir():
        return output / default_target(source).name
    return output


def refuse_shared_targets(sources: list[Path], output: Path | None, many: bool) -> None:
    """Two inputs such as a.avi and a.mp4 would become one file, the later over the earlier.

    Raises:
        UsageError: two inputs have one target.
    """
    taken: dict[Path, Path] = {}
    for source in sources if many else []:
        target = target_of(source, output, many)
        if target in taken:
            raise UsageError(
                f"{taken[target]} and {source} would both become {target}",
                hint="give them to two runs with different -o",
            )
        taken[target] = source
