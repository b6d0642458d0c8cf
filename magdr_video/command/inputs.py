"""Which files a command reads: files, directories, patterns and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from magdr_video.errors import InputError

VIDEO_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".m2ts", ".flv")
)
OWN = ("_defended", "_compared", ".partial")
"""What names of our own outputs end with, before the extension."""


@dataclass(frozen=True)
class Source:
    """An input file."""

    path: Path
    below: Path = Path()
    """The folder it lies in, seen from the directory that was named."""


def expand(inputs: Sequence[Path], *, recursive: bool = False) -> list[Source]:
    """The files that are meant, in the order given, each once.

    A directory means its videos in sorted order, a pattern (`*`, `?`, `[`, quoted so that the
    shell leaves it alone) what it matches, `@FILE` the paths in a list; what exists under the
    very name comes before all of these. Directories and patterns leave out hidden files and our
    own earlier outputs.

    Args:
        inputs: as the user gave them; files need not exist.
        recursive: take the directories inside directories, too.

    Raises:
        InputError: a directory or pattern without videos, or a list that cannot be read.
    """
    found: dict[str, Source] = {}
    for path in inputs:
        for source in _meant(path, recursive):
            # Symbolic links are left alone: two names may well be wanted as two outputs.
            found.setdefault(os.path.normpath(source.path.absolute()), source)
    return list(found.values())


def are_many(inputs: Sequence[Path]) -> bool:
    """True when the words of the user can mean several files, however many there are."""
    return len(inputs) > 1 or any(
        path.is_dir() or (not _exists(path) and (_is_list(path) or _is_pattern(path)))
        for path in inputs
    )


def _meant(path: Path, recursive: bool) -> Iterator[Source]:
    if path.is_dir():
        yield from _in_directory(path, recursive)
    elif _exists(path):
        yield Source(path)
    elif _is_list(path):
        for listed in _listed(Path(str(path)[1:])):
            yield from _in_directory(listed, recursive) if listed.is_dir() else [Source(listed)]
    elif _is_pattern(path):
        yield from _matching(path)
    else:
        yield Source(path)


def _exists(path: Path) -> bool:
    return str(path) == "-" or os.path.lexists(path)


def _is_list(path: Path) -> bool:
    return str(path).startswith("@") and len(str(path)) > 1


def _is_pattern(path: Path) -> bool:
    return glob.has_magic(str(path))


def _is_wanted(path: Path) -> bool:
    return (
        path.suffix.lower() in VIDEO_SUFFIXES
        and not path.name.startswith(".")
        and not path.stem.endswith(OWN)
        and path.is_file()
    )


def _in_directory(folder: Path, recursive: bool) -> list[Source]:
    try:
        inside = sorted(folder.rglob("*") if recursive else folder.iterdir())
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror}") from error
    found = [Source(p, p.parent.relative_to(folder)) for p in inside if _is_wanted(p)]
    if not found:
        deeper = "" if recursive else "; -r looks into the folders in it, too"
        raise InputError(
            f"{folder} holds no videos",
            hint=f"looked for {' '.join(sorted(VIDEO_SUFFIXES))}{deeper}",
        )
    return found


def _matching(pattern: Path) -> list[Source]:
    # Path.glob takes no absolute pattern.
    matched = sorted(Path(name) for name in glob.glob(str(pattern), recursive=True))  # noqa: PTH207
    found = [Source(path) for path in matched if _is_wanted(path)]
    if not found:
        raise InputError(
            f"{pattern} does not exist, and no video matches it as a pattern",
            hint="* and ? stand for letters, ** for folders",
        )
    return found


def _listed(path: Path) -> list[Path]:
    """Paths in a list: one a line, or between NUL characters; '#' begins a remark."""
    try:
        held = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the list {path}: {error.strerror}",
            hint="@FILE reads the paths in FILE, one a line",
        ) from error
    if b"\0" in held:
        names = [name for name in held.split(b"\0") if name]
    else:
        lines = [line.rstrip(b"\r") for line in held.split(b"\n")]
        names = [line for line in lines if line.strip() and not line.startswith(b"#")]
    if not names:
        raise InputError(f"the list {path} names no files", hint="write one path a line")
    return [Path(os.fsdecode(name)) for name in names]
