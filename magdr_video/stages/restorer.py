"""Repairs of perturbed faces, held over the frames of a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from magdr_video.detection.detector import PerturbationDetector
from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.cache import TrackCache, TrackEntry
from magdr_video.reconstruction.composer import compose
from magdr_video.reconstruction.recnet import RecNet, faithful, uniform_recipes
from magdr_video.reconstruction.temporal import average_along_motion
from magdr_video.types import FaceCrops, FrameBatch, Masks, Recipe, RunReport, Verdict


@dataclass
class Restorer:
    """Repairs the crops of perturbed tracks with the track's recipes."""

    detector: PerturbationDetector
    cache: TrackCache
    report: RunReport
    window: int
    budget: int

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
        if not chosen:
            return crops.data
        steadied = self._steady(batch, crops, around, chosen)
        out = crops.data.clone()
        frames = face_frames(batch, crops)
        for index in chosen:
            track, frame = int(crops.faces.track[index]), frames[index]
            entry = self.cache.entry(track, frame)
            one = Masks(masks.data[index : index + 1], masks.regions, masks.target)
            base = steadied[index][None]
            if verdict.inspected[index] or not entry.recipes:
                # The entry has heard of the whole batch; this face's own score is the verdict's.
                score = float(verdict.s_final[index]) if verdict.inspected[index] else entry.score
                self._choose(entry, base, one, condition[index : index + 1], track, frame, score)
            if entry.accepted:
                out[index] = compose(base, one, entry.recipes)[0]
                self.report.faces_reconstructed += 1
        return out

    def _choose(
        self,
        entry: TrackEntry,
        base: Tensor,
        masks: Masks,
        condition: Tensor,
        track: int,
        at: int,
        before: float,
    ) -> None:
        """Default chain first; search where its score stays high; keep what lowers the score."""
        recipes = entry.recipes or uniform_recipes(masks, self.detector.table.recipe)
        score = self._score(compose(base, masks, recipes), masks, condition)
        if score > self.detector.table.tau_final and self.budget > 0:
            recipes, score = self._search(base, masks, condition, recipes, score)
        plain = self._score(base, masks, condition)
        if plain < score:
            recipes, score = uniform_recipes(masks, ()), plain
        # Averaging along the motion may help where no chain does; `before` is the bare crop's.
        entry.accepted = score < before
        entry.recipes = recipes
        about = {
            "track": track,
            "frame": at,
            "accepted": entry.accepted,
            "score_before": round(before, 4),
            "score_after": round(score, 4),
            "resolved": score <= self.detector.table.tau_final,
            "recipes": sorted({str(recipe) for recipe in _merged(recipes)}),
            "window": self.window,
        }
        self.report.choices.append(about)

    def _search(
        self,
        base: Tensor,
        masks: Masks,
        condition: Tensor,
        start: Sequence[Recipe],
        start_score: float,
    ) -> tuple[tuple[Recipe, ...], float]:
        self.report.searches += 1
        net = RecNet(
            lambda crops, held: self.detector.inspect(crops, held, condition).s_final,
            passes_per_score=1 + self.detector.passes_per_face,
            budget=self.budget,
        )
        return net.search(base, masks, start, start_score)

    def _score(self, candidate: Tensor, masks: Masks, condition: Tensor) -> float:
        return float(self.detector.inspect(candidate, masks, condition).s_final[0])

    def _steady(
        self, batch: FrameBatch, crops: FaceCrops, around: Neighbours, chosen: list[int]
    ) -> dict[int, Tensor]:
        """Each chosen crop, averaged along the motion of its track where the window allows."""
        if self.window <= 1:
            return {index: crops.data[index] for index in chosen}
        runs = _tracks_in_time(batch, crops, around)
        frames, reach = face_frames(batch, crops), self.window // 2
        out = {}
        for index in chosen:
            frame = frames[index]
            run = runs[int(crops.faces.track[index])]
            near = [at for at in range(frame - reach, frame + reach + 1) if at in run]
            averaged = average_along_motion([run[at] for at in near], near.index(frame))
            kept = bool(faithful(crops.data[index][None], averaged[None])[0])
            out[index] = averaged if kept else crops.data[index]
        return out


def _merged(recipes: Sequence[Recipe]) -> list[Recipe]:
    """Recipes with equal chains named once, for reports."""
    if len({recipe.chain for recipe in recipes}) == 1:
        return [Recipe("all regions", recipes[0].chain)]
    return list(recipes)


def _tracks_in_time(
    batch: FrameBatch, crops: FaceCrops, around: Neighbours
) -> dict[int, dict[int, Tensor]]:
    """Crops by track and frame, the batches around included."""
    runs: dict[int, dict[int, Tensor]] = {}
    parts = [(batch.first_index, crops)]
    if around.before is not None:
        parts.append((around.before_first, around.before))
    if around.after is not None:
        parts.append((around.after_first, around.after))
    for first, held in parts:
        for index, track in enumerate(held.faces.track):
            at = first + int(held.faces.frame[index])
            runs.setdefault(int(track), {})[at] = held.data[index]
    return runs
