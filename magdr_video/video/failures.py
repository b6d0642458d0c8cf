"""Translation of foreign errors, so that none of FFmpeg's leaves this room."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av

from magdr_video.errors import ClosedPipe, InputError, MagdrError, OutputError, RuntimeFailure

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The disk, the quota or the largest allowed file is used up."""

UNWRITABLE = {
    errno.EACCES,
    errno.EIO,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


def reason_of(error: BaseException) -> str:
    """What the system or FFmpeg says, without the path that we name ourselves."""
    return str(getattr(error, "strerror", None) or error)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever FFmpeg or the system raises inside into `InputError` (exit 3)."""
    try:
        yield
    except MagdrError:
        raise
    except (av.error.FFmpegError, OSError, UnicodeDecodeError) as error:
        message, hint = _explain(path, error)
        raise InputError(message, hint=hint) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what fails inside into `OutputError` (exit 7), or `RuntimeFailure` for the encoder.

    A pipe that its reader has closed is `ClosedPipe` (exit 141).
    """
    try:
        yield
    except MagdrError:
        raise
    except BrokenPipeError as error:
        raise ClosedPipe("nobody reads the output any more") from error
    except (av.error.FFmpegError, OSError) as error:
        code, reason = getattr(error, "errno", None), reason_of(error)
        if code in FULL:
            raise OutputError(
                f"no space left for {path}: {reason}", hint="free some space or choose another disk"
            ) from error
        if code in UNWRITABLE:
            raise OutputError(
                f"cannot write {path}: {reason}", hint="choose a folder that you may write to"
            ) from error
        raise RuntimeFailure(
            f"encoding {path} failed: {reason}",
            hint="try the default encoder, without encoder options",
        ) from error


def check_readable(path: Path) -> None:
    """Refuse what needs no decoder to be refused.

    Raises:
        InputError: the path is missing, a directory, empty, or may not be read.
    """
    with reading(path):
        if path.is_dir():
            raise InputError(f"{path} is a directory, not a video", hint="name a video file in it")
        if not path.exists():
            raise InputError(f"{path} does not exist", hint="check the spelling of the path")
        if path.is_file():
            with path.open("rb") as stream:
                if not stream.read(1):
                    raise InputError(f"{path} is empty (0 bytes)", hint="copy or download it again")


def _explain(path: Path, error: BaseException) -> tuple[str, str]:
    """One line and one hint for an input that FFmpeg refuses."""
    if isinstance(error, av.error.InvalidDataError):
        if _starts_like_mp4(path):
            return (
                f"{path} is truncated: the index that MP4 keeps at its end is missing",
                "copy or download it again; without its index nothing of it can be decoded",
            )
        return f"{path} is not a video that FFmpeg can read", "name a video file"
    return f"cannot read {path}: {reason_of(error)}", "check the file and its permissions"


def _starts_like_mp4(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(8)[4:] in (b"ftyp", b"moov", b"mdat", b"free", b"wide")
    except OSError:
        return False
