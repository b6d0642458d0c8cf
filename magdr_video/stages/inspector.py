"""Verdicts on the faces of a clip, held over the frames of a track."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from magdr_video.detection.detector import Inspection, PerturbationDetector
from magdr_video.pipeline import face_frames
from magdr_video.reconstruction.cache import TrackCache, TrackEntry
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport, Verdict

if TYPE_CHECKING:
    from magdr_video.settings import Settings


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
        skipped = [r for r, on in zip(masks.regions, seen.skipped[row].tolist(), strict=True) if on]
        margins = zip(masks.regions, seen.margins[row].tolist(), strict=True)
        about = {
            "track": track,
            "frame": frame,
            "perturbed": entry.perturbed,
            "score": round(float(seen.score[row]), 4),
            "s_dist": round(float(seen.s_dist[row]), 4),
            "s_cons": round(float(seen.s_cons[row]), 4),
            "s_mean": round(float(seen.s_mean[row]), 4),
            "s_final": round(float(seen.s_final[row]), 4),
            "regions": flagged,
            "skipped": skipped,
            "margins": {region: value for region, value in margins if math.isfinite(value)},
        }
        self.report.verdicts.append(about)


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
