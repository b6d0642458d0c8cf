"""What a run has done so far, on disk beside its target: segments, and the state after the last.

    .<name>.journal/
    +-- run.json          what the run is: input, settings, weights; a resumed run must be the same
    +-- segments.jsonl    one line for every whole segment, written after the segment
    +-- 0000000.nut ...   the segments, by the number of their first frame
    +-- 0000128.state     what the stages remember after the last segment
    +-- lock              held while a run is at work

Each file has its name only once it is whole, and a segment counts only once its line is whole: a
run may be killed between any two instructions.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from magdr_video.errors import OutputError, SettingsError
from magdr_video.video.failures import writing
from magdr_video.video.hashing import sha256_of
from magdr_video.video.segments import Segment, settle

Identity = Mapping[str, Any]
"""Everything that a run's frames depend on, as JSON values."""


def journal_path(target: Path) -> Path:
    """The folder of a target's journal."""
    return target.with_name(f".{target.name}.journal")


def holds_work(target: Path) -> bool:
    """True where an interrupted run of this target can be resumed."""
    lines = journal_path(target) / "segments.jsonl"
    with suppress(OSError):
        return lines.stat().st_size > 0
    return False


class Journal:
    """The journal of one run; a context that keeps it only where there is work to resume.

    Args:
        target: the film that the run makes.
        identity: what the run is.
        resume: go on from what lies there, if anything does; else begin anew.

    Raises:
        OutputError: on entering; the folder cannot be made, another run holds it, or a segment is
            damaged.
        SettingsError: on entering; the journal is of another run.
    """

    def __init__(self, target: Path, identity: Identity, *, resume: bool) -> None:
        self.folder = journal_path(target)
        self._target, self._identity, self._resume = target, identity, resume
        self._lock: IO[bytes] | None = None
        self._done = False
        self.segments: list[Segment] = []
        """Whole segments, in order."""

    def __enter__(self) -> Journal:
        with writing(self._target):
            try:
                self._open()
            except BaseException:
                self._leave(keep=holds_work(self._target))
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(keep=bool(self.segments) and not self._done)

    @property
    def end(self) -> int:
        """Number of the first frame that is not in a segment."""
        return self.segments[-1].end if self.segments else 0

    @property
    def next_path(self) -> Path:
        """Where the next segment goes."""
        return self.folder / f"{self.end:07d}.nut"

    @property
    def state(self) -> bytes:
        """What was remembered after the last segment."""
        return self._state_path.read_bytes()

    @property
    def _state_path(self) -> Path:
        return self.folder / f"{self.end:07d}.state"

    def append(self, segment: Segment, state: bytes) -> None:
        """Count a whole segment, and remember the state after it instead of the one before."""
        before = self._state_path
        with writing(self._target):
            self.segments.append(segment)
            try:
                _write_lasting(self._state_path, state)
                line = json.dumps(asdict(segment)) + "\n"
                with (self.folder / "segments.jsonl").open("a", encoding="utf-8") as held:
                    held.write(line)
                    held.flush()
                    os.fsync(held.fileno())
            except BaseException:
                self.segments.pop()
                raise
            with suppress(OSError):
                before.unlink()

    def finish(self) -> None:
        """The film is whole: the journal goes when the context ends."""
        self._done = True

    def _open(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._take_lock()
        if self._resume and (self.folder / "run.json").exists():
            self._check_identity()
            self.segments = self._read_segments()
        self._clear()
        _write_lasting(
            self.folder / "run.json", json.dumps(self._identity, indent=1).encode("utf-8")
        )

    def _take_lock(self) -> None:
        lock = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise OutputError(
                f"another run is writing {self._target}", hint="wait for it, or name another output"
            ) from error
        self._lock = lock

    def _leave(self, *, keep: bool) -> None:
        """Give the journal up; one that another run holds is not ours to remove."""
        if self._lock is not None and not keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_identity(self) -> None:
        try:
            earlier = json.loads((self.folder / "run.json").read_text("utf-8"))
        except ValueError:
            earlier = {}
        now = json.loads(json.dumps(self._identity))
        for key in sorted(now.keys() | earlier.keys()):
            if now.get(key) != earlier.get(key):
                raise SettingsError(
                    f"the interrupted run of {self._target} had {key} = {earlier.get(key)!r}, "
                    f"this one has {now.get(key)!r}",
                    hint="resume with the same input and settings, or begin anew with -y",
                )

    def _read_segments(self) -> list[Segment]:
        """Those whose lines are whole; all of them must be as they were written."""
        lines = self.folder / "segments.jsonl"
        found: list[Segment] = []
        for line in lines.read_text("utf-8").splitlines() if lines.exists() else []:
            try:
                held = json.loads(line)
            except ValueError:
                break  # the run was killed while it wrote this line
            held["pts"], held["durations"] = tuple(held["pts"]), tuple(held["durations"])
            found.append(Segment(**held))
        for segment in found:
            path = self.folder / segment.name
            if not path.exists() or sha256_of(path) != segment.sha256:
                raise OutputError(
                    f"{path} is not the segment that was written",
                    hint="begin anew with -y, without --resume",
                )
        return found

    def _clear(self) -> None:
        """Remove what no whole line speaks of, and write the lines anew.

        The lists themselves are replaced, never removed first: whoever is interrupted in between
        must still find that there is work.
        """
        kept = {segment.name for segment in self.segments} | {"lock", "run.json", "segments.jsonl"}
        kept |= {self._state_path.name} if self.segments else set()
        for path in self.folder.iterdir():
            if path.name not in kept:
                path.unlink()
        text = "".join(json.dumps(asdict(segment)) + "\n" for segment in self.segments)
        _write_lasting(self.folder / "segments.jsonl", text.encode("utf-8"))


def _write_lasting(path: Path, data: bytes) -> None:
    """Write a file that is there as a whole or not at all, whatever happens."""
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    settle(part, path)
