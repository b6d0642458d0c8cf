"""Verdicts on the faces of a clip, held over the frames of a track."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from magdr_video.detection.detector import Inspection, PerturbationDetector
from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.cache import Signs, TrackCache
from magdr_video.reconstruction.recnet import take
from magdr_video.stages.signs import signs_of
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport, Verdict

if TYPE_CHECKING:
    from magdr_video.settings import Settings


Key = tuple[int, int]
"""Track and frame of a face."""


@dataclass(frozen=True)
class Seen:
    """One face's inspection."""

    flagged: bool
    values: Mapping[str, float]
    flags: Tensor
    """(R,) booleans, eq. 5, on the CPU."""
    draft: Tensor
    """(3, S, S)."""
    condition: Tensor
    """(C,) what the draft was asked for, on the CPU."""
    about: Mapping[str, Any]
    """What the report says of it."""


@dataclass(frozen=True)
class _Face:
    """One face that can be inspected: of the batch, or of one that follows."""

    crop: Tensor
    index: int
    """In the batch; -1 in one that follows."""


@dataclass(frozen=True)
class _Want:
    """What a walk along a track asks for."""

    track: int
    index: int
    """In the batch, of the face that asks."""
    frames: tuple[int, ...]


@dataclass
class _Judged:
    """Verdicts of a batch as they come in."""

    perturbed: dict[int, bool] = field(default_factory=dict)
    seen: dict[int, Seen] = field(default_factory=dict)


@dataclass
class Inspector:
    """Judges a track at the cache's pace; in between the verdict holds."""

    detector: PerturbationDetector
    cache: TrackCache
    report: RunReport
    ahead: dict[Key, Seen] = field(default_factory=dict)
    """Inspections of faces whose own batch is still to come."""

    @property
    def reach(self) -> int:
        """Frames after a face that its verdict looks at."""
        return self.cache.reach

    def __call__(
        self,
        batch: FrameBatch,
        crops: FaceCrops,
        masks: Masks,
        condition: Tensor,
        around: Neighbours,
    ) -> Verdict:
        """Verdicts of every crop; `draft` holds translations of the inspected ones only.

        The faces that follow are judged under the masks and the condition of the face that asks
        for them; a draft is used where the face's own condition is the same.
        """
        frames = face_frames(batch, crops)
        judged = self._judge(batch, crops, masks, condition, around)
        self.cache.forget_before(frames[0])
        self.ahead = {key: seen for key, seen in self.ahead.items() if key[1] > frames[-1]}
        verdict = _verdict(judged, crops, masks, condition)
        self.report.faces_perturbed += int(verdict.perturbed.sum())
        self.report.cache_hits = self.cache.hits
        return verdict

    def _judge(
        self,
        batch: FrameBatch,
        crops: FaceCrops,
        masks: Masks,
        condition: Tensor,
        around: Neighbours,
    ) -> _Judged:
        """Walk along the tracks; what all of them ask for next is inspected in one call."""
        faces = _faces_by_track(batch, crops, around)
        signs = signs_of(crops)
        out = _Judged()
        walks = [self._walk(track, held, signs, out) for track, held in faces.items()]
        asked = [(walk, next(walk, None)) for walk in walks]
        while going := [(walk, want) for walk, want in asked if want is not None]:
            wants = [want for _, want in going]
            self._inspect(wants, faces, masks, condition)
            asked = [(walk, next(walk, None)) for walk, _ in going]
        return out

    def _walk(
        self,
        track: int,
        faces: Mapping[int, _Face],
        signs: Sequence[Signs],
        out: _Judged,
    ) -> Iterator[_Want]:
        """Judge a track's faces of the batch in order; yields what must be inspected."""
        own = {frame: face for frame, face in faces.items() if face.index >= 0}
        for frame, face in own.items():
            index = face.index
            if self.cache.due(track, frame, signs[index]):
                judged = self.cache.open(track, frame, [f for f in faces if f >= frame])
                fresh: list[int] = []
                while wanted := judged.wanted():
                    new = [f for f in wanted if (track, f) not in self.ahead]
                    if new:
                        yield _Want(track, index, tuple(new))
                    fresh += new
                    for other in wanted:
                        seen = self.ahead[track, other]
                        judged.tell(other, flagged=seen.flagged, score=seen.values["score"])
                score = self.ahead[track, frame].values["s_final"]
                self.cache.close(track, frame, judged, score, signs[index])
                self._note(track, sorted(fresh))
            own_seen = self.ahead.get((track, frame))
            if own_seen is None:
                out.perturbed[index] = self.cache.reuse(track, frame)
            else:
                out.seen[index] = own_seen
                verdict = self.cache.entry(track, frame).perturbed
                out.perturbed[index] = verdict or own_seen.flagged

    def _inspect(
        self,
        wants: Sequence[_Want],
        faces: Mapping[int, Mapping[int, _Face]],
        masks: Masks,
        condition: Tensor,
    ) -> None:
        """Inspect what is asked for, all in one call."""
        rows = [(want, frame) for want in wants for frame in want.frames]
        if not rows:
            return
        self.report.faces_inspected += len(rows)
        asking = [want.index for want, _ in rows]
        crops = torch.stack([faces[want.track][frame].crop for want, frame in rows])
        of = take(masks, asking)
        held = self.detector.inspect(crops, of, condition[asking]).told()
        asked = condition.cpu()
        for row, (want, frame) in enumerate(rows):
            key = (want.track, frame)
            self.ahead[key] = _seen(held, row, key, of, asked[want.index])

    def _note(self, track: int, frames: Sequence[int]) -> None:
        for frame in frames:
            seen = self.ahead[track, frame]
            verdict = self.cache.entry(track, frame).perturbed or seen.flagged
            self.report.verdicts.append({**seen.about, "perturbed": verdict})


def _faces_by_track(
    batch: FrameBatch, crops: FaceCrops, around: Neighbours
) -> dict[int, dict[int, _Face]]:
    """The batch's tracks: their faces by frame, those of the batches that follow included."""
    out: dict[int, dict[int, _Face]] = {}
    for index, frame in enumerate(face_frames(batch, crops)):
        face = _Face(crops.data[index], index)
        out.setdefault(int(crops.faces.track[index]), {})[frame] = face
    for first, held in around.after:
        for row, track in enumerate(held.faces.track.tolist()):
            if track in out:
                out[track][first + int(held.faces.frame[row])] = _Face(held.data[row], -1)
    return out


def _seen(held: Inspection, row: int, key: Key, masks: Masks, condition: Tensor) -> Seen:
    names = ("score", "s_dist", "s_cons", "s_mean", "s_final")
    values = {name: float(getattr(held, name)[row]) for name in names}
    flagged = bool(held.perturbed[row])
    margins = zip(masks.regions, held.margins[row].tolist(), strict=True)
    about = {
        "track": key[0],
        "frame": key[1],
        "flagged": flagged,
        "perturbed": flagged,
        "regions": _named(masks, held.flags[row]),
        "skipped": _named(masks, held.skipped[row]),
        "margins": {region: value for region, value in margins if math.isfinite(value)},
        **{name: round(value, 4) for name, value in values.items()},
    }
    return Seen(flagged, values, held.flags[row], held.draft[row].clone(), condition, about)


def _named(masks: Masks, on: Tensor) -> list[str]:
    return [name for name, chosen in zip(masks.regions, on.tolist(), strict=True) if chosen]


def _verdict(judged: _Judged, crops: FaceCrops, masks: Masks, condition: Tensor) -> Verdict:
    count = len(crops)
    scores = np.full((3, count), np.nan, np.float32)
    flags = np.zeros((count, len(masks.regions)), np.bool_)
    inspected = np.zeros(count, np.bool_)
    draft, asked = torch.zeros_like(crops.data), condition.cpu()
    for index, seen in judged.seen.items():
        scores[:, index] = [seen.values[name] for name in ("s_dist", "s_cons", "s_final")]
        flags[index] = seen.flags.numpy()
        if torch.equal(seen.condition, asked[index]):
            draft[index], inspected[index] = seen.draft, True
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
