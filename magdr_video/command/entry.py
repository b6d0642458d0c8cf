"""The program from its first moment to its last; the only place that catches `MagdrError`.

Importing it loads next to nothing, so that signals are answered before anything else is done.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from magdr_video.errors import (
    ClosedPipe,
    Interrupted,
    MagdrError,
    OutputError,
    UsageError,
    describe,
)
from magdr_video.stopping import heed_no_more, heed_signals, interruption

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""What is printed has no room; films have their own check."""
ROOM = "free some space or choose another disk"


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the program and exit with the documented code."""
    heed_signals()
    try:
        code = _run(arguments)
    except (ClosedPipe, BrokenPipeError):
        _give_up_stdout()
        code = ClosedPipe.exit_code
    except Interrupted as error:
        code = _tell(error)
    except MagdrError as error:
        code = _tell(interruption() or error)
    except OSError as error:
        if error.errno not in FULL:
            raise
        _give_up_stdout()
        place = error.filename or "standard output"
        code = _tell(OutputError(f"no space left for {place}", hint=ROOM))
    except Exception:
        stopped = interruption()
        if stopped is None:
            raise
        code = _tell(stopped)
    heed_no_more()
    sys.exit(code)


def _tell(error: MagdrError) -> int:
    print(describe(error), file=sys.stderr)
    return error.exit_code


def _give_up_stdout() -> None:
    """Keep the interpreter from complaining when it flushes at exit what nobody takes."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str] | None) -> int:
    """The exit code of a run that ends without an error.

    Raises:
        UsageError: the words are none that the program knows.
    """
    import typer

    from magdr_video.command import app as program

    words = sys.argv[1:] if arguments is None else arguments
    usage_error: Any = typer.BadParameter.__base__
    try:
        code = program.app(words, prog_name="magdr-video", standalone_mode=False)
        sys.stdout.flush()
    except typer.Abort:
        return 1
    except usage_error as error:
        message = error.format_message().rstrip(".")
        if message.startswith("Usage:"):  # a command without words is answered with its help
            print(error.format_message())
            return UsageError.exit_code
        raise UsageError(message[0].lower() + message[1:], hint=_hint(error, words)) from error
    return code if isinstance(code, int) else 0


def _hint(error: Any, words: list[str]) -> str:
    for word in words:
        if word.startswith("-") and Path(word).exists():
            return f"a name that begins with '-' is written ./{word}"
    return f"{error.ctx.command_path} --help lists what there is" if error.ctx else ""
