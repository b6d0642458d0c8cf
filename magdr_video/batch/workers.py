"""Worker processes for many clips; the only place that starts one.

A worker is a new Python process (spawn: forking a process that has used CUDA or threads breaks
both). It loads the models once and is then given one clip after another. A worker that dies, such
as of a decoder that crashes, costs the clip it held and is replaced.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from magdr_video.batch.jobs import Document, Job, Work, attempt, failed
from magdr_video.errors import Interrupted, RuntimeFailure
from magdr_video.stopping import heed_signals, tell_stopping

TICK_SECONDS = 0.1
"""Least time between two reports of progress from one worker."""
PATIENCE_SECONDS = 30.0
"""How long a worker that was asked to stop may take to leave things whole."""


class Listener(Protocol):
    """Is told what happens to which clip, by its place in the batch."""

    def begin(self, index: int, total: float | None) -> None:
        """A clip is open and lasts `total` seconds, None where unknown."""

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        """A clip has come so far."""


def run_in_workers(
    work: Work,
    jobs: Sequence[tuple[int, Job]],
    count: int,
    listener: Listener,
    late: Callable[[int, Document], None] = lambda index, document: None,
) -> Iterator[tuple[int, Document]]:
    """Do clips in `count` processes; reports come in the order in which clips are done.

    Closing the iterator, or an exception in the caller's thread, asks all workers to stop, waits
    for them, and kills those that do not: none is left when this ends.

    Args:
        work: what to do; it is pickled, so no models may be loaded in it yet.
        jobs: the clips, each with its place in the batch; begun in this order.
        count: processes at most, at least 1.
        listener: told of progress, in the caller's thread.
        late: takes the reports of clips that were still worked on when this was stopped.
    """
    crew = _Crew(work, deque(jobs), count)
    try:
        yield from crew.reports(listener)
    except Interrupted:
        tell_stopping()
        raise
    finally:
        crew.dismiss(late)


@dataclass
class _Worker:
    process: SpawnProcess
    pipe: Connection
    index: int
    job: Job


class _Crew:
    def __init__(self, work: Work, waiting: deque[tuple[int, Job]], count: int) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._work = work
        self._waiting = waiting
        self._threads = max(1, (os.cpu_count() or 1) // count)
        self._workers: list[_Worker] = []
        for _ in range(min(count, len(waiting))):
            self._hire()

    def reports(self, listener: Listener) -> Iterator[tuple[int, Document]]:
        """Until every clip has its report."""
        while self._workers:
            ready = wait([worker.pipe for worker in self._workers])
            for worker in [w for w in self._workers if w.pipe in ready]:
                document = self._hear(worker, listener)
                if document is not None:
                    yield worker.index, document
                    self._give_next(worker)

    def _hear(self, worker: _Worker, listener: Listener) -> Document | None:
        """One message of a worker; the report, if it is one, or if the worker has died."""
        try:
            kind, *values = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join()
            return failed(self._work, worker.job, _death(worker))
        if kind == "begin":
            listener.begin(worker.index, *values)
        elif kind == "tick":
            listener.tick(worker.index, *values)
        return values[0] if kind == "done" else None

    def _hire(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, self._work, self._threads), daemon=True
        )
        with _undisturbed():
            process.start()
        # The worker's end must be open in the worker alone, or its death would go unnoticed.
        theirs.close()
        index, job = self._waiting.popleft()
        worker = _Worker(process, ours, index, job)
        self._workers.append(worker)
        self._send(worker, job)

    def _give_next(self, worker: _Worker) -> None:
        if worker.process.is_alive() and self._waiting:
            worker.index, worker.job = self._waiting.popleft()
            self._send(worker, worker.job)
            return
        self._workers.remove(worker)
        self._send(worker, None)
        worker.process.join(PATIENCE_SECONDS)
        self._end(worker)
        if self._waiting:
            self._hire()

    def _send(self, worker: _Worker, message: Job | None) -> None:
        # A worker that is dead by now is noticed when it is listened to.
        with suppress(OSError):
            worker.pipe.send(message)

    def dismiss(self, late: Callable[[int, Document], None]) -> None:
        """Ask those at work to stop, wait for their reports, and end those that give none."""
        for worker in self._workers:
            worker.process.terminate()
        deadline = time.monotonic() + PATIENCE_SECONDS
        for worker in self._workers:
            while worker.process.is_alive() and time.monotonic() < deadline:
                _hand_on(worker, late)
                worker.process.join(0.05)
            _hand_on(worker, late)
            self._end(worker)
        self._workers = []

    def _end(self, worker: _Worker) -> None:
        if worker.process.is_alive():
            worker.process.kill()
        worker.process.join()
        worker.pipe.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keeps Ctrl-C from processes begun inside until they heed signals; to us it comes later."""
    resource_tracker.ensure_running()  # starting it would undo the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _hand_on(worker: _Worker, late: Callable[[int, Document], None]) -> None:
    """Read what a worker still says, so that it does not wait for us; its report counts."""
    with suppress(EOFError, OSError):
        while worker.pipe.poll():
            kind, *values = worker.pipe.recv()
            if kind == "done":
                late(worker.index, values[0])


def _death(worker: _Worker) -> RuntimeFailure:
    code = worker.process.exitcode or 0
    how = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"code {code}"
    return RuntimeFailure(
        f"the process that worked on {worker.job.source} ended with {how}",
        hint="the clip makes a decoder crash, or memory is short: try it alone",
    )


class _Messenger:
    """A clip's watch inside a worker: passes on, now and then, how far it has come."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._last = 0.0

    def begin(self, total: float | None) -> None:
        self._say("begin", total)

    def tick(self, frames: int, seconds: Fraction) -> None:
        now = time.monotonic()
        if now - self._last >= TICK_SECONDS:
            self._last = now
            self._say("tick", frames, seconds)

    def _say(self, *message: Any) -> None:
        try:
            self._pipe.send(message)
        except OSError as error:
            # The batch itself has ended, however that came: clean up and go.
            raise Interrupted("the batch has ended", signal_number=signal.SIGTERM) from error


def _serve(pipe: Connection, work: Work, threads: int) -> None:
    """A worker's life: clips until there are no more, or until it is stopped."""
    # Ctrl-C reaches every process of the terminal; here the batch decides what follows from it.
    heed_signals(aloud=False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    with suppress(Interrupted, EOFError, OSError):
        while (job := pipe.recv()) is not None:
            document = attempt(work, job, _Messenger(pipe))
            pipe.send(("done", document))
            if document["exit_code"] > 128:
                break
