"""Standard input and output as clips: read once, written once, never sought in."""

from __future__ import annotations

import hashlib
import os
import select
import sys
from pathlib import Path

from magdr_video.errors import InputError, UsageError

STANDARD = Path("-")
"""The name of standard input among inputs, and of standard output among outputs."""
PATIENCE = 0.2
"""Seconds to wait for input before looking whether anybody still wants it."""


def is_standard(path: Path) -> bool:
    """True for '-'. A file of that name is reached by its absolute path."""
    return path == STANDARD


class PipeInput:
    """What arrives on a descriptor, for `av.open`; it can be closed while it waits for data.

    Args:
        descriptor: standard input unless told otherwise; it stays open.
        name: what error messages call it.

    Raises:
        UsageError: the descriptor is a terminal.
        InputError: while reading; an MP4 whose index comes after its pictures.
    """

    def __init__(self, descriptor: int = 0, *, name: str = "standard input") -> None:
        if os.isatty(descriptor):
            raise UsageError(
                f"{name} is a terminal, not a video", hint="pipe a file in: ... - < clip.mkv"
            )
        self.name = name
        self._descriptor = descriptor
        self._closed = False
        self._digest = hashlib.sha256()
        self._boxes = _Boxes()
        self.size = 0
        """Bytes read so far."""
        self._ended = False

    @property
    def sha256(self) -> str:
        """SHA-256 of all that was read; empty while more may follow."""
        return self._digest.hexdigest() if self._ended else ""

    def read(self, count: int) -> bytes:
        """The next bytes, at least one and at most `count`; none at the end."""
        while not self._closed:
            ready, _, _ = select.select([self._descriptor], [], [], PATIENCE)
            if ready:
                return self._take(os.read(self._descriptor, count))
        return b""

    def close(self) -> None:
        """End the input where it stands; a read that waits comes back empty-handed."""
        self._closed = True

    def _take(self, data: bytes) -> bytes:
        if self._boxes.show_late_index(data):
            raise InputError(
                f"{self.name} is an MP4 whose index lies at its end, and a pipe cannot go back",
                hint="name the file itself, or write it with: ffmpeg -movflags +faststart",
            )
        self.size += len(data)
        self._ended = not data
        self._digest.update(data)
        return data


class _Boxes:
    """Walks over the outer boxes of an MP4 (ISO/IEC 14496-12, 4.2) as they pass."""

    FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")
    """What an MP4 or QuickTime file begins with."""
    SHORT, LONG = 8, 16
    """Bytes of a header; the long one holds a size of 64 bits."""

    def __init__(self) -> None:
        self._skip = 0
        self._header = b""
        self._need = self.SHORT
        self._first = True
        self._done = False

    def show_late_index(self, data: bytes) -> bool:
        """True as soon as pictures ('mdat') come before any index ('moov')."""
        while data and not self._done:
            step = min(self._skip, len(data))
            self._skip, data = self._skip - step, data[step:]
            missing = self._need - len(self._header)
            self._header, data = self._header + data[:missing], data[missing:]
            if len(self._header) == self._need and self._read_header():
                return True
        return False

    def _read_header(self) -> bool:
        """Look at a whole header; True for pictures."""
        size, kind = int.from_bytes(self._header[:4], "big"), self._header[4:8]
        if size == 1 and self._need == self.SHORT:
            self._need = self.LONG
            return False
        size = int.from_bytes(self._header[8:], "big") if size == 1 else size
        foreign = self._first and kind not in self.FIRST
        self._done = foreign or kind == b"moov" or size < self._need
        self._skip = size - self._need
        self._header, self._need, self._first = b"", self.SHORT, False
        return kind == b"mdat" and not foreign


class PipeOutput:
    """A descriptor that takes a film, for `av.open`.

    Args:
        descriptor: written to and left open.
        name: what error messages call it.

    Raises:
        UsageError: the descriptor is a terminal.
        BrokenPipeError: while writing, where nobody reads any more.
    """

    def __init__(self, descriptor: int, *, name: str = "standard output") -> None:
        if os.isatty(descriptor):
            raise UsageError(f"{name} is a terminal", hint="pipe it on: ... -o - | ffplay -")
        self.name = name
        self._descriptor = descriptor
        self._digest = hashlib.sha256()

    @property
    def piped_sha256(self) -> str:
        """SHA-256 of all that was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> int:
        """Write all of it."""
        view = memoryview(data)
        self._digest.update(view)
        while view:
            view = view[os.write(self._descriptor, view) :]
        return len(data)


def claim_standard_output() -> int:
    """A descriptor for the film; whatever else is printed from now on goes to stderr.

    Libraries may print as they like; a single line of theirs inside the film would break it.
    """
    sys.stdout.flush()
    film = os.dup(1)
    os.dup2(2, 1)
    return film
