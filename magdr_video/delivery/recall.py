"""What must be known to go on after a segment."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from magdr_video.checkpoint import freeze, thaw
from magdr_video.delivery.translation import end_of
from magdr_video.staging import TOOLS, Staged
from magdr_video.types import FaceCrops, Faces, FrameBatch, RunReport
from magdr_video.video.frame_encoder import FrameClock
from magdr_video.video.journal import Journal
from magdr_video.video.reader import ClipReader
from magdr_video.video.stretch import Stretch


@dataclass(frozen=True)
class Kept:
    """What is known once a segment's last batch has left the stages."""

    state: bytes
    """All that a run needs which goes on from there."""
    stretch: Stretch
    """The part of the clip up to there."""


@dataclass
class Recall:
    """What must be known to go on after a segment: the stages' memory, and the last faces.

    The stages see a batch together with the crops of the batches within their reach. So a run that
    goes on decodes the batches around the joint again, and gives them the faces that were found in
    them.
    """

    staged: Staged
    reader: ClipReader
    skip: int = 0
    """Number of the first frame that the stages must see."""
    stretch: Stretch = field(default_factory=Stretch)
    """The part of the clip that an earlier run put into whole segments."""

    def __post_init__(self) -> None:
        self._seen: deque[tuple[int, int, Faces]] = deque()
        self._known: dict[int, Faces] = {}
        self.stages = dataclasses.replace(
            self.staged.stages, find_faces=self._find, align=self._align
        )

    def wake(self, journal: Journal, report: RunReport) -> FrameClock:
        """Remember what the journal holds; the clock of the frames that follow."""
        if not journal.segments:
            return FrameClock()
        known, clock, passes, end = thaw(journal.state, self.staged.memory, TOOLS)
        self._known, self.staged.finder.passes = known, passes
        self.stretch = dataclasses.replace(self.reader.stretch, end=end)
        self.skip = min(known, default=journal.end)
        report.frames_in = report.frames_out = journal.end
        report.notes.append(f"resumed at frame {journal.end}")
        return FrameClock(*clock)

    def keep(self, batch: FrameBatch, clock: FrameClock) -> Kept:
        """All of it after this batch."""
        over = end_of(batch, self.reader.stretch)
        needed = batch.first_index + len(batch) - self.stages.reach
        faces = {first: faces for first, end, faces in self._seen if end > needed}
        extra = (faces, (clock.last, clock.moved), self.staged.finder.passes, over)
        state = freeze(self.staged.memory, TOOLS, extra)
        return Kept(state, dataclasses.replace(self.reader.stretch, end=over))

    def _find(self, batches: Any) -> Iterator[tuple[FrameBatch, Faces]]:
        iterator = iter(batches)
        for first in sorted(self._known):
            for batch in iterator:
                assert batch.first_index == first, (batch.first_index, first)
                yield batch, self._known[first]
                break
        yield from self.staged.stages.find_faces(iterator)

    def _align(self, batch: FrameBatch, faces: Faces) -> FaceCrops:
        first, end = batch.first_index, batch.first_index + len(batch)
        # Batches come out when all within their reach are known; what they look back at is kept.
        while self._seen and self._seen[0][1] < first - 2 * (self.stages.reach + len(batch)):
            self._seen.popleft()
        self._seen.append((first, end, Faces.none()))
        crops = self.staged.stages.align(batch, faces)
        self._seen[-1] = (first, end, faces)
        return crops
