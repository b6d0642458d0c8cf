"""Repairs of perturbed faces, held over the frames of a track."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.choice import Choice
from magdr_video.reconstruction.memory import ChoiceMemory, Task, Use
from magdr_video.reconstruction.recnet import take
from magdr_video.stages.chooser import Chooser, Faces
from magdr_video.stages.signs import signs_of
from magdr_video.stages.steadying import seen_together, steady
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport, Verdict

Steadied = Mapping[tuple[int, int], tuple[Tensor, bool]]
"""By face and window: the crop, and whether it was averaged."""


@dataclass
class Restorer:
    """Repairs the crops of perturbed tracks with the track's choice.

    Args:
        chooser: decides how a face is repaired.
        memory: the choices of tracks.
        report: choices and repaired faces are counted in it.
        window: frames averaged along the motion, 1 averages none; 0 is as many as fitted best.
    """

    chooser: Chooser
    memory: ChoiceMemory
    report: RunReport
    window: int

    @property
    def reach(self) -> int:
        """Frames before and after a face that its repair looks at."""
        return max((self.window,) if self.window else self.chooser.table.windows) - 1

    def _window(self, task: Task) -> int:
        """Frames that are averaged for a choice."""
        return self.window or self.chooser.table.repair(task.compressed).window

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
        self._look_for_codecs(uses, batch, crops, around)
        steadied = self._steady(uses, batch, crops, around)
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

    def _look_for_codecs(
        self, uses: Mapping[int, Use], batch: FrameBatch, crops: FaceCrops, around: Neighbours
    ) -> None:
        """Tell the tasks that are new whether their faces came through a codec."""
        new = _new_tasks(uses)
        near = seen_together(batch, crops, around, list(new), self.reach + 1)
        for index, task in new.items():
            task.compressed = self.chooser.table.is_compressed(near[index])

    def _steady(
        self, uses: Mapping[int, Use], batch: FrameBatch, crops: FaceCrops, around: Neighbours
    ) -> Steadied:
        """Every face under the windows of its choices."""
        wanted: dict[int, set[int]] = {}
        for index, use in uses.items():
            for task in filter(None, (use.now, use.before)):
                wanted.setdefault(self._window(task), set()).add(index)
        return {
            (index, window): held
            for window, rows in wanted.items()
            for index, held in steady(batch, crops, around, sorted(rows), window).items()
        }

    def _decide(
        self,
        uses: Mapping[int, Use],
        steadied: Steadied,
        crops: FaceCrops,
        masks: Masks,
        condition: Tensor,
    ) -> None:
        """Make the choices that are new in this batch, each kind of crop apart."""
        kinds: dict[tuple[bool, bool], list[int]] = {}
        new = _new_tasks(uses)
        for index, task in new.items():
            averaged = steadied[index, self._window(task)][1]
            kinds.setdefault((averaged, task.compressed), []).append(index)
        for (averaged, compressed), rows in kinds.items():
            bases = [steadied[index, self._window(new[index])][0] for index in rows]
            faces = Faces(
                bare=crops.data[rows],
                base=torch.stack(bases),
                masks=take(masks, rows),
                condition=condition[rows],
                scores=[new[index].score for index in rows],
                averaged=averaged,
                compressed=compressed,
            )
            for index, choice in zip(rows, self.chooser.choose(faces), strict=True):
                new[index].choice = choice
                self._note(new[index], choice)

    def _note(self, task: Task, choice: Choice) -> None:
        about: dict[str, Any] = {"track": task.track, "frame": task.frame}
        about |= {"window": self._window(task), "compressed": task.compressed}
        self.report.choices.append(about | choice.about())

    def _repairs(
        self, uses: Mapping[int, Use], steadied: Steadied, masks: Masks
    ) -> dict[int, Tensor]:
        """The repaired crops of the faces whose choice is to be used."""
        wanted: dict[int, tuple[Task, list[int]]] = {}
        for index, use in uses.items():
            for task in (use.now, use.before):
                if task is not None and task.choice is not None and task.choice.accepted:
                    wanted.setdefault(id(task), (task, []))[1].append(index)
        made: dict[tuple[int, int], Tensor] = {}
        for key, (task, rows) in wanted.items():
            assert task.choice is not None
            base = torch.stack([steadied[index, self._window(task)][0] for index in rows])
            repaired = task.choice.apply(base, take(masks, rows))
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


def _new_tasks(uses: Mapping[int, Use]) -> dict[int, Task]:
    """The tasks without a choice, by the first of their faces: the one they were made for."""
    new = {index: use.now for index, use in uses.items() if use.now.choice is None}
    first = {id(task): index for index, task in reversed(new.items())}
    return {index: new[index] for index in sorted(first.values())}
