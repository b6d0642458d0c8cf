"""Repairs of perturbed faces, held over the frames of a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.choice import Choice
from magdr_video.reconstruction.memory import ChoiceMemory, Task, Use
from magdr_video.reconstruction.recnet import take
from magdr_video.stages.chooser import Chooser, Faces
from magdr_video.stages.signs import signs_of
from magdr_video.stages.steadying import steady
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport, Verdict


@dataclass
class Restorer:
    """Repairs the crops of perturbed tracks with the track's choice.

    Args:
        chooser: decides how a face is repaired.
        memory: the choices of tracks.
        report: choices and repaired faces are counted in it.
        window: frames averaged along the motion; 1 averages none.
    """

    chooser: Chooser
    memory: ChoiceMemory
    report: RunReport
    window: int

    @property
    def reach(self) -> int:
        """Frames before and after a face that its repair looks at."""
        return self.window - 1

    def __call__(
        self,
        batch: FrameBatch,
        crops: FaceCrops,
        masks: Masks,
        condition: Tensor,
        verdict: Verdict,
        around: Neighbours,
    ) -> Tensor:
        """Crops with the perturbed ones replaced by their repairs; the others untouched."""
        chosen = np.flatnonzero(verdict.perturbed).tolist()
        frames = face_frames(batch, crops)
        uses = self._uses(chosen, frames, crops, verdict)
        purified = bool(self.chooser.table.motion_purifier)
        steadied = steady(batch, crops, around, chosen, self.window, purified=purified)
        self._decide(uses, steadied, crops, masks, condition)
        out = crops.data.clone()
        for index, repaired in self._repairs(uses, steadied, masks).items():
            out[index] = repaired
        self.memory.forget_before(frames[0])
        self.report.recipe_hits = self.memory.hits
        return out

    def _uses(
        self, chosen: Sequence[int], frames: Sequence[int], crops: FaceCrops, verdict: Verdict
    ) -> dict[int, Use]:
        signs, tracks = signs_of(crops), crops.faces.track.tolist()
        return {
            index: self.memory.use(
                tracks[index], frames[index], float(verdict.s_final[index]), signs[index]
            )
            for index in chosen
        }

    def _decide(
        self,
        uses: dict[int, Use],
        steadied: dict[int, tuple[Tensor, bool]],
        crops: FaceCrops,
        masks: Masks,
        condition: Tensor,
    ) -> None:
        """Make the choices that are new in this batch, averaged and single crops apart."""
        new = {index: use.now for index, use in uses.items() if use.now.choice is None}
        # Several faces may share a task; the first of them is the one it was made for.
        first = {id(task): index for index, task in reversed(new.items())}
        # Where single frames fitted best, they are what the averages' chain was fitted to.
        of_clip = self.window == self.chooser.table.window == 1
        for averaged in (True, False):
            rows = [
                index
                for index in sorted(first.values())
                if (of_clip or steadied[index][1]) == averaged
            ]
            if not rows:
                continue
            faces = Faces(
                bare=crops.data[rows],
                base=torch.stack([steadied[index][0] for index in rows]),
                masks=take(masks, rows),
                condition=condition[rows],
                scores=[new[index].score for index in rows],
                averaged=averaged,
            )
            for index, choice in zip(rows, self.chooser.choose(faces), strict=True):
                new[index].choice = choice
                self._note(new[index], choice)

    def _note(self, task: Task, choice: Choice) -> None:
        about = {"track": task.track, "frame": task.frame, "window": self.window}
        averaged = {"averaged": choice.averaged and self.window > 1}
        self.report.choices.append(about | choice.about() | averaged)

    def _repairs(
        self, uses: dict[int, Use], steadied: dict[int, tuple[Tensor, bool]], masks: Masks
    ) -> dict[int, Tensor]:
        """The repaired crops of the faces whose choice is to be used."""
        wanted: dict[int, tuple[Choice, list[int]]] = {}
        for index, use in uses.items():
            for task in (use.now, use.before):
                if task is not None and task.choice is not None and task.choice.accepted:
                    wanted.setdefault(id(task), (task.choice, []))[1].append(index)
        made: dict[tuple[int, int], Tensor] = {}
        for key, (choice, rows) in wanted.items():
            base = torch.stack([steadied[index][0] for index in rows])
            repaired = choice.apply(base, take(masks, rows))
            made |= {(key, index): held for index, held in zip(rows, repaired, strict=True)}
        out = {}
        for index, use in uses.items():
            now = made.get((id(use.now), index))
            if now is None:
                continue
            before = made.get((id(use.before), index))
            out[index] = now if before is None else now * use.weight + before * (1 - use.weight)
            self.report.faces_reconstructed += 1
            assert use.now.choice is not None
            self.report.faces_unresolved += not use.now.choice.resolved
        return out
