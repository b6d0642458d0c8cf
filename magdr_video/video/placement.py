"""Where an output goes, and how it appears there: at once when it is whole, or never."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from magdr_video.errors import OutputError
from magdr_video.video.pipes import PipeOutput
from magdr_video.video.target import target_suffix


def part_path(target: Path) -> Path:
    """The name of an output while it is written: hidden, in the same folder."""
    return target.with_name(f".{target.name}.part")


def partial_path(target: Path) -> Path:
    """The name of what an interrupted run leaves to watch: '<stem>.partial<ext>'."""
    return target.with_name(f"{target.stem}.partial{target.suffix}")


def default_target(source: Path, ending: str = "_defended") -> Path:
    """`<stem><ending><ext>` beside the input, in a container that carries exact times."""
    return source.with_name(f"{source.stem}{ending}{target_suffix(source.suffix)}")


def check_paths(source: Path, target: Path, *, overwrite: bool) -> None:
    """Refuse before any work what the writer would refuse after it.

    Raises:
        OutputError: the target is the source, is no ordinary file, exists, or its folder does not.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise OutputError(f"{target} is the input", hint="choose another name with -o")
    _refuse_special(target)
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists", hint="-y overwrites, -n skips")
    if not target.parent.is_dir():
        raise OutputError(f"folder {target.parent} does not exist", hint="make it first")


def _refuse_special(target: Path) -> None:
    """Moving a film into place would remove a directory, a device or a named pipe."""
    if target.is_dir():
        raise OutputError(f"{target} is a directory", hint="name a file in it")
    if target.exists() and not target.is_file():
        raise OutputError(f"{target} is a device or a pipe", hint="-o - writes into a pipe")


class FilePlace:
    """A file that appears only when it is whole.

    Args:
        target: its final name.
        overwrite: replace a file that exists.
        inputs: files that it must not be.
    """

    def __init__(self, target: Path, *, overwrite: bool, inputs: Sequence[Path]) -> None:
        self.path = target
        self._part = part_path(target)
        self._overwrite = overwrite
        self._inputs = inputs

    @property
    def destination(self) -> str:
        """What to open for writing."""
        return str(self._part.absolute())

    def check(self) -> None:
        """Refuse a place that must not be written.

        Raises:
            OutputError: it is an input or a directory, or exists without `overwrite`.
        """
        exists = self.path.exists()
        for read in self._inputs:
            if exists and read.exists() and self.path.samefile(read):
                raise OutputError(f"{self.path} is the input", hint="name another output")
        _refuse_special(self.path)
        if exists and not self._overwrite:
            raise OutputError(f"{self.path} exists", hint="overwrite it with -y")

    def rename(self, path: Path) -> None:
        """Choose another name, over whatever may have it."""
        self.path, self._overwrite = path, True

    def settle(self) -> None:
        """Move the whole file into place."""
        self.check()
        self._part.replace(self.path)

    def discard(self) -> None:
        """Remove what was written."""
        with suppress(OSError):
            self._part.unlink()


class PipePlace:
    """A pipe: what was written is gone."""

    def __init__(self, pipe: PipeOutput) -> None:
        self.path = Path(pipe.name)
        self._pipe = pipe

    @property
    def destination(self) -> PipeOutput:
        """What to open for writing."""
        return self._pipe

    def check(self) -> None:
        """A pipe is always a place to write to."""

    def rename(self, path: Path) -> None:
        """A pipe has no name."""

    def settle(self) -> None:
        """Nothing is left to do."""

    def discard(self) -> None:
        """Nothing can be taken back."""
