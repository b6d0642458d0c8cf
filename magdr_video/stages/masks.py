"""Region masks held over the frames of a track."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from magdr_video.pipeline import face_frames
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport


@dataclass
class MaskCarrier:
    """Parses a track's crop now and then; the alignment carries the masks in between."""

    parse: Callable[[Tensor], Tensor]
    """Crops (F, 3, S, S) to class probabilities (F, 19, S, S)."""
    to_masks: Callable[[Tensor], Masks]
    period: int
    report: RunReport
    attend: Callable[[FrameBatch, FaceCrops, list[int]], Tensor] | None = None
    """Of some crops the generator's attention (F, 1, S, S), which joins the probabilities."""
    held: dict[int, tuple[int, int, Tensor]] = field(default_factory=dict)
    """Per track: frame it was first seen, frame of the last parse, what was found (19 or 20, S, S).
    """

    def __call__(self, batch: FrameBatch, crops: FaceCrops) -> Masks:
        """Region masks of every crop."""
        frames = face_frames(batch, crops)
        due = self._due(frames, crops)
        if due:
            self.report.parser_passes += len(due)
            maps = self.parse(crops.data[due])
            if self.attend is not None:
                maps = torch.cat([maps, self.attend(batch, crops, due)], dim=1)
            fresh = dict(zip(due, maps, strict=True))
        rows = []
        for index, (frame, track) in enumerate(zip(frames, crops.faces.track, strict=True)):
            if index in due:
                first = self.held.get(int(track), (frame, 0, crops.data))[0]
                self.held[int(track)] = (first, frame, fresh[index])
            rows.append(self.held[int(track)][2])
        self._forget(frames[0])
        return self.to_masks(torch.stack(rows))

    def _due(self, frames: Sequence[int], crops: FaceCrops) -> list[int]:
        due, last = [], {track: held[1] for track, held in self.held.items()}
        first = {track: held[0] for track, held in self.held.items()}
        for index, (frame, number) in enumerate(zip(frames, crops.faces.track, strict=True)):
            track = int(number)
            begin = first.setdefault(track, frame)
            if (
                track not in last
                or (frame - begin) % self.period == 0
                or frame - last[track] >= self.period
            ):
                due.append(index)
                last[track] = frame
        return due

    def _forget(self, frame: int) -> None:
        self.held = {t: held for t, held in self.held.items() if frame - held[1] <= 250}
