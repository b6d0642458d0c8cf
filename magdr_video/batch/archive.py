"""The list of clips that a batch has done, so that a rerun does what is left."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magdr_video.errors import OutputError
from magdr_video.settings import Settings, flatten

SCHEMA = 1
SHAPELESS = ("run.device", "run.jobs")
"""Settings that say how a result is made, and not what it is."""


class Archive:
    """Done clips in a file of JSON lines, one a clip; appended to after each, never rewritten.

    A clip counts as done while all of this holds: the input has the size and the time of change
    that it had, the settings that shape a result are the same, and the output is there with the
    size that it had. So a changed input, other settings and a lost output are done again.

    Args:
        path: the file; it need not exist.
        settings: those of this run.
        more: whatever else of the command line shapes a result.

    Raises:
        OutputError: the file cannot be read, or is no such list, or has no folder.
    """

    def __init__(self, path: Path, settings: Settings, more: Sequence[str] = ()) -> None:
        self._path = path
        self._settings = _digest(settings, more)
        self._done: set[str] = set()
        self._torn = 0
        if path.exists():
            self._read()
        elif not path.parent.is_dir():
            raise OutputError(f"--archive {path}: no such folder", hint="make the folder first")

    def holds(self, source: Path, target: Path) -> bool:
        """True when the clip is done and nothing has changed since."""
        try:
            return self._line(source, target) in self._done
        except OSError:
            return False

    def add(self, source: Path, target: Path) -> None:
        """Note that a clip is done; on the disk when this returns.

        Raises:
            OutputError: the file cannot be written.
        """
        try:
            line = self._line(source, target)
            with self._path.open("r+b" if self._path.exists() else "wb") as held:
                end = held.seek(0, os.SEEK_END)
                held.truncate(end - self._torn)
                held.seek(0, os.SEEK_END)
                held.write(line.encode() + b"\n")
                held.flush()
                os.fsync(held.fileno())
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror}") from error
        self._torn = 0
        self._done.add(line)

    def _read(self) -> None:
        try:
            whole, _, torn = self._path.read_bytes().rpartition(b"\n")
        except OSError as error:
            raise OutputError(f"cannot read {self._path}: {error.strerror}") from error
        # A line without its end is what a kill in the middle of writing leaves.
        self._torn = len(torn)
        try:
            held = [json.loads(line) for line in whole.split(b"\n") if line]
            self._done = {_text(entry) for entry in held if entry["schema"] == SCHEMA}
        except (ValueError, KeyError, TypeError) as error:
            raise OutputError(
                f"{self._path} is not a list of done clips",
                hint="--archive names a file that magdr-video wrote, or a new one",
            ) from error
        if torn and not held and not torn.startswith(b"{"):
            raise OutputError(
                f"{self._path} is not a list of done clips",
                hint="--archive names a file that magdr-video wrote, or a new one",
            )

    def _line(self, source: Path, target: Path) -> str:
        here, there = source.stat(), target.stat()
        return _text(
            {
                "schema": SCHEMA,
                "input": str(source.absolute()),
                "size": here.st_size,
                "changed_ns": here.st_mtime_ns,
                "output": str(target.absolute()),
                "output_size": there.st_size,
                "settings": self._settings,
            }
        )


def _text(entry: dict[str, Any]) -> str:
    return json.dumps(entry, sort_keys=True)


def _digest(settings: Settings, more: Sequence[str]) -> str:
    """Of what shapes a result: the device and the like do not."""
    shaping = {k: v for k, v in flatten(settings).items() if k not in SHAPELESS}
    return hashlib.sha256(_text({"settings": shaping, "more": list(more)}).encode()).hexdigest()[
        :16
    ]
