"""The program in a child of this process: real descriptors and signals, without a new start.

A fork costs milliseconds, a new Python with torch seconds. The child never returns to the tests.
"""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any

from magdr_video.command import main

PATIENCE = 60.0
"""Seconds after which a child that hangs is killed; never reached where all is well."""


@dataclass
class Child:
    """A forked program.

    Args:
        pid: its process.
        given: its standard input, open for writing.
        film: its standard output, open for reading.
        words: its standard error, open for reading.
    """

    pid: int
    given: IO[bytes]
    film: IO[bytes]
    words: IO[bytes]
    patience: float = PATIENCE

    def __enter__(self) -> Child:
        self._alarm = threading.Timer(self.patience, os.kill, (self.pid, signal.SIGKILL))
        self._alarm.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alarm.cancel()
        for stream in (self.given, self.film, self.words):
            stream.close()

    def send(self, number: int) -> None:
        """A signal."""
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Its exit code; negative where a signal ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(work: Callable[[], Any], *, patience: float = PATIENCE) -> Child:
    """Run `work` in a child whose standard descriptors are pipes."""
    inside, ours = [os.pipe() for _ in range(3)], []
    pid = os.fork()
    if pid == 0:
        _live(work, inside, patience)
    for (read, write), wanted in zip(inside, ("wb", "rb", "rb"), strict=True):
        keep, drop = (write, read) if wanted == "wb" else (read, write)
        os.close(drop)
        ours.append(os.fdopen(keep, wanted, buffering=0))
    return Child(pid, *ours, patience)


def _live(work: Callable[[], Any], pipes: list[tuple[int, int]], patience: float) -> None:
    """The child's life."""
    code = 70
    # A decoder of the tests, collected here, would wait for threads that the fork left behind.
    gc.freeze()
    try:
        for number, (read, write) in enumerate(pipes):
            os.dup2(read if number == 0 else write, number)
        for read, write in pipes:
            os.close(read)
            os.close(write)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        faulthandler.dump_traceback_later(patience / 2, file=sys.stderr)
        work()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = code or 71
        os._exit(code)


def program(*arguments: object) -> Callable[[], Any]:
    """The command line with these arguments, as something to fork."""
    return lambda: main([str(argument) for argument in arguments])


def finish(work: Callable[[], Any], given: bytes = b"") -> tuple[int, bytes, str]:
    """Run to the end: exit code, standard output, standard error."""
    with fork(work) as child:
        said: list[bytes] = []
        listening = threading.Thread(target=lambda: said.append(child.words.read()))
        giving = threading.Thread(target=give, args=(child, given))
        listening.start()
        giving.start()
        film = child.film.read()
        giving.join()
        listening.join()
        return child.wait(), film, b"".join(said).decode(errors="replace")


def give(child: Child, data: bytes) -> None:
    """Write into the program, as long as it reads, and close its input."""
    try:
        view = memoryview(data)
        while view:
            view = view[child.given.write(view) :]
    except BrokenPipeError:
        pass
    finally:
        child.given.close()
