"""What the commands on clips say: while they work, and at the end."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

from magdr_video.batch.jobs import Document, error_of
from magdr_video.batch.whole import Batch, Entry
from magdr_video.errors import OutputError
from magdr_video.progress import Board


class Speaker:
    """A batch's audience: shows progress and says what each clip came to.

    Args:
        board: where it is shown.
        entries: the inputs of the batch.
        result: says what a clip that is done came to, line by line.
    """

    def __init__(
        self, board: Board, entries: list[Entry], result: Callable[[Document], list[str]]
    ) -> None:
        self._board, self._entries, self._result = board, entries, result
        for index, entry in enumerate(entries):
            if entry.skipped:
                board.finish(index, 0, "")
                board.say(f"{entry.job.source} skipped: {entry.skipped}")

    def begin(self, index: int, total: float | None) -> None:
        """A clip is open and lasts `total` seconds."""
        self._board.begin(index, total)

    def tick(self, index: int, frames: int, seconds: Fraction) -> None:
        """A clip has come so far."""
        self._board.tick(index, frames, seconds)

    def end(self, index: int, document: Document) -> None:
        """A clip has its report."""
        error = error_of(document)
        self._board.finish(index, document["exit_code"], str(error or ""))
        if error is None:
            for line in self._result(document):
                self._board.say(line)
        elif len(self._entries) > 1 and document["exit_code"] <= 128:
            # The error of a single input, and a signal, are what the program itself ends with.
            self._board.say(f"magdr-video: {error}")


def emit(batch: Batch, command: str, *, many: bool, as_json: bool, report: Path | None) -> None:
    """Print or write the report: of the one input, or of the batch."""
    if many:
        document: dict[str, Any] = batch.document(command)
    elif batch.documents:
        document = batch.documents[0]
    else:
        return
    if report is not None:
        from magdr_video.provenance import write_json

        try:
            write_json(report, document)
        except OutputError:
            # Where the work has failed, such as of a full disk, that is what must be told.
            if batch.ending is None:
                raise
    if as_json:
        print(json.dumps(document))
