"""The stages of a real run, built from settings, and the state they carry between frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from magdr_video.detection.detector import Inspection, PerturbationDetector
from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.cache import TrackCache, TrackEntry
from magdr_video.reconstruction.composer import compose
from magdr_video.reconstruction.recnet import RecNet, faithful, uniform_recipes
from magdr_video.reconstruction.temporal import average_along_motion
from magdr_video.types import FaceCrops, FrameBatch, Masks, Recipe, RunReport, Verdict

if TYPE_CHECKING:
    from magdr_video.settings import Settings

Generate = Callable[[Tensor, Tensor], Tensor]


class CountedGenerator:
    """A generator in chunks that fit the device; counts passes, halves on lack of memory."""

    def __init__(self, generate: Generate, report: RunReport, *, chunk: int = 64) -> None:
        self._generate = generate
        self._report = report
        self._chunk = chunk

    @torch.no_grad()
    def __call__(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under (F, C)."""
        self._report.generator_passes += len(crops)
        out: list[Tensor] = []
        start = 0
        while start < len(crops):
            piece = slice(start, start + self._chunk)
            try:
                out.append(self._generate(crops[piece], condition[piece]))
            except torch.cuda.OutOfMemoryError:
                tried = len(crops[piece])
                if tried == 1:
                    raise
                self._chunk = tried // 2
                self._report.notes.append(f"device memory is short: batches of {self._chunk}")
                continue
            start += self._chunk
        return torch.cat(out) if out else crops


@dataclass
class MaskCarrier:
    """Parses a track's crop now and then; the alignment carries the masks in between."""

    parse: Callable[[Tensor], Tensor]
    """Crops (F, 3, S, S) to class probabilities (F, 19, S, S)."""
    to_masks: Callable[[Tensor], Masks]
    period: int
    report: RunReport
    held: dict[int, tuple[int, int, Tensor]] = field(default_factory=dict)
    """Per track: frame it was first seen, frame of the last parse, probabilities (19, S, S)."""

    def __call__(self, batch: FrameBatch, crops: FaceCrops) -> Masks:
        """Region masks of every crop."""
        frames = face_frames(batch, crops)
        due = self._due(frames, crops)
        if due:
            self.report.parser_passes += len(due)
            fresh = dict(zip(due, self.parse(crops.data[due]), strict=True))
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


@dataclass
class Inspector:
    """Judges a track at the cache's pace; in between the verdict holds."""

    detector: PerturbationDetector
    cache: TrackCache
    report: RunReport

    def __call__(
        self, batch: FrameBatch, crops: FaceCrops, masks: Masks, condition: Tensor
    ) -> Verdict:
        """Verdicts of every crop; `draft` holds translations of the inspected ones only."""
        frames = face_frames(batch, crops)
        due = self._due(frames, crops)
        seen = self._inspect(due, crops, masks, condition)
        count = len(crops)
        perturbed = np.zeros(count, np.bool_)
        scores = np.full((3, count), np.nan, np.float32)
        flags = np.zeros((count, len(masks.regions)), np.bool_)
        draft = torch.zeros_like(crops.data)
        for index, (frame, number) in enumerate(zip(frames, crops.faces.track, strict=True)):
            track = int(number)
            if index not in due:
                perturbed[index] = self.cache.reuse(track, frame).perturbed
                continue
            assert seen is not None
            row = due.index(index)
            score = float(seen.s_final[row])
            entry = self.cache.record(
                track, frame, perturbed=bool(seen.perturbed[row]), score=score
            )
            perturbed[index] = entry.perturbed
            scores[:, index] = float(seen.s_dist[row]), float(seen.s_cons[row]), score
            flags[index] = seen.flags[row].cpu().numpy()
            draft[index] = seen.draft[row]
            self._note(track, frame, entry, seen, row, masks)
        self.cache.forget_before(frames[0])
        self.report.faces_perturbed += int(perturbed.sum())
        self.report.cache_hits = self.cache.hits
        inspected = np.isin(np.arange(count), due)
        return Verdict(perturbed, scores[0], scores[1], scores[2], flags, inspected, draft)

    def _due(self, frames: Sequence[int], crops: FaceCrops) -> list[int]:
        due: list[int] = []
        last: dict[int, int] = {}
        for index, (frame, number) in enumerate(zip(frames, crops.faces.track, strict=True)):
            track = int(number)
            entry = self.cache.entry(track, frame)
            before = last.get(track, entry.inspected_at)
            on_beat = (frame - entry.first_frame) % self.cache.period == 0
            if before < 0 or on_beat or frame - before >= self.cache.period:
                due.append(index)
                last[track] = frame
        return due

    def _inspect(
        self, due: list[int], crops: FaceCrops, masks: Masks, condition: Tensor
    ) -> Inspection | None:
        if not due:
            return None
        self.report.faces_inspected += len(due)
        chosen = Masks(masks.data[due], masks.regions, masks.target)
        return self.detector.inspect(crops.data[due], chosen, condition[due])

    def _note(
        self, track: int, frame: int, entry: TrackEntry, seen: Inspection, row: int, masks: Masks
    ) -> None:
        flagged = [r for r, on in zip(masks.regions, seen.flags[row].tolist(), strict=True) if on]
        about = {
            "track": track,
            "frame": frame,
            "perturbed": entry.perturbed,
            "s_dist": round(float(seen.s_dist[row]), 4),
            "s_cons": round(float(seen.s_cons[row]), 4),
            "s_mean": round(float(seen.s_mean[row]), 4),
            "s_final": round(float(seen.s_final[row]), 4),
            "regions": flagged,
        }
        self.report.verdicts.append(about)


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


def translate_by_verdict(
    generate: Generate, restored: Tensor, condition: Tensor, verdict: Verdict
) -> Tensor:
    """Drafts where the face is clean and was drafted; one pass for every other face."""
    drafted = verdict.inspected & ~verdict.perturbed
    rest = np.flatnonzero(~drafted).tolist()
    out = verdict.draft.clone()
    if rest:
        out[rest] = generate(restored[rest], condition[rest])
    return out


def unjudged(crops: FaceCrops, masks: Masks) -> Verdict:
    """The verdict of a run without a defence: nothing inspected, nothing perturbed."""
    count = len(crops)
    nothing = np.full(count, np.nan, np.float32)
    none = np.zeros(count, np.bool_)
    flags = np.zeros((count, len(masks.regions)), np.bool_)
    return Verdict(none, nothing, nothing, nothing, flags, none, torch.zeros_like(crops.data))


def detection_period(settings: Settings) -> int:
    """Frames between inspections: 1 without the cache, so that frames do not depend on others."""
    return settings.detection.period if settings.reconstruction.cache else 1
