"""Verdicts on the faces of a clip, held over the frames of a track."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from magdr_video.detection.detector import Inspection, PerturbationDetector
from magdr_video.pipeline import face_frames
from magdr_video.reconstruction.cache import Signs, TrackCache
from magdr_video.reconstruction.recnet import take
from magdr_video.stages.signs import signs_of
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport, Verdict

if TYPE_CHECKING:
    from magdr_video.settings import Settings


@dataclass(frozen=True)
class _Seen:
    """One face's row of an inspection."""

    held: Inspection
    row: int

    def value(self, name: str) -> float:
        return float(getattr(self.held, name)[self.row])


@dataclass
class _Judged:
    """Verdicts of a batch as they come in."""

    perturbed: dict[int, bool] = field(default_factory=dict)
    seen: dict[int, _Seen] = field(default_factory=dict)


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
        judged = self._judge(frames, crops, masks, condition)
        self.cache.forget_before(frames[0])
        verdict = _verdict(judged, crops, masks)
        self.report.faces_perturbed += int(verdict.perturbed.sum())
        self.report.cache_hits = self.cache.hits
        return verdict

    def _judge(
        self, frames: Sequence[int], crops: FaceCrops, masks: Masks, condition: Tensor
    ) -> _Judged:
        """Inspect what is due, in as few batched calls as the tracks' verdicts allow.

        Faces on their track's beat are due whatever is found before them; the others are asked
        for one a track, when the walk along the track comes to them.
        """
        tracks = crops.faces.track.tolist()
        signs = signs_of(crops)
        out = _Judged()
        pairs = enumerate(zip(tracks, frames, strict=True))
        wanted = [index for index, (t, f) in pairs if self.cache.is_on_beat(t, f)]
        walks = {
            track: self._walk(
                [(i, frames[i]) for i, of in enumerate(tracks) if of == track],
                track,
                signs,
                out,
                masks,
            )
            for track in dict.fromkeys(tracks)
        }
        while walks:
            if wanted:
                seen = self._inspect(wanted, crops, masks, condition)
                out.seen |= {index: _Seen(seen, row) for row, index in enumerate(wanted)}
            stops = {track: next(walk, None) for track, walk in walks.items()}
            walks = {track: walk for track, walk in walks.items() if stops[track] is not None}
            wanted = [index for index in stops.values() if index is not None]
        return out

    def _walk(
        self,
        faces: Sequence[tuple[int, int]],
        track: int,
        signs: Sequence[Signs],
        out: _Judged,
        masks: Masks,
    ) -> Iterator[int]:
        """Judge a track's faces in order; yields the index of a face that must be inspected."""
        for index, frame in faces:
            if not self.cache.due(track, frame, signs[index]):
                out.perturbed[index] = self.cache.reuse(track, frame)
                continue
            if index not in out.seen:
                yield index
            seen = out.seen[index]
            out.perturbed[index] = self.cache.record(
                track,
                frame,
                flagged=bool(seen.held.perturbed[seen.row]),
                score=seen.value("s_final"),
                signs=signs[index],
            )
            self._note(track, frame, seen, masks)

    def _inspect(
        self, due: list[int], crops: FaceCrops, masks: Masks, condition: Tensor
    ) -> Inspection:
        self.report.faces_inspected += len(due)
        return self.detector.inspect(crops.data[due], take(masks, due), condition[due])

    def _note(self, track: int, frame: int, seen: _Seen, masks: Masks) -> None:
        entry, held, row = self.cache.entry(track, frame), seen.held, seen.row
        margins = zip(masks.regions, held.margins[row].tolist(), strict=True)
        about = {
            "track": track,
            "frame": frame,
            "flagged": entry.flagged,
            "perturbed": entry.perturbed or entry.flagged,
            "regions": _named(masks, held.flags[row]),
            "skipped": _named(masks, held.skipped[row]),
            "margins": {region: value for region, value in margins if math.isfinite(value)},
        }
        scores = ("score", "s_dist", "s_cons", "s_mean", "s_final")
        about |= {name: round(seen.value(name), 4) for name in scores}
        self.report.verdicts.append(about)


def _named(masks: Masks, on: Tensor) -> list[str]:
    return [name for name, chosen in zip(masks.regions, on.tolist(), strict=True) if chosen]


def _verdict(judged: _Judged, crops: FaceCrops, masks: Masks) -> Verdict:
    count = len(crops)
    scores = np.full((3, count), np.nan, np.float32)
    flags = np.zeros((count, len(masks.regions)), np.bool_)
    inspected = np.zeros(count, np.bool_)
    draft = torch.zeros_like(crops.data)
    for index, seen in judged.seen.items():
        names = ("s_dist", "s_cons", "s_final")
        scores[:, index] = [seen.value(name) for name in names]
        flags[index] = seen.held.flags[seen.row].cpu().numpy()
        draft[index] = seen.held.draft[seen.row]
        inspected[index] = True
    perturbed = np.array([judged.perturbed[index] for index in range(count)], np.bool_)
    return Verdict(perturbed, scores[0], scores[1], scores[2], flags, inspected, draft)


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


def parse_period(settings: Settings) -> int:
    """Frames between parses: 1 without the cache."""
    return settings.detection.parse_period if settings.reconstruction.cache else 1
