"""Versions of a clip, and the same faces cut out of each of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from magdr_video.device import batch_size
from magdr_video.errors import InputError
from magdr_video.faces.alignment import align
from magdr_video.loading import Models
from magdr_video.runs import crops_of
from magdr_video.settings import Settings
from magdr_video.types import FaceCrops, FrameBatch
from magdr_video.video.reader import ClipReader, probe
from magdr_video.video.writer import ClipWriter

LOSSLESS = 0
"""The rate factor that stands for no codec (H.264, crf 0)."""


def cut_clip(source: Path, target: Path, *, crf: int, frames: int = 0) -> int:
    """Encode a clip, or its first frames where they are not 0, as H.264; the frames written."""
    written = 0
    with (
        ClipReader(source) as reader,
        ClipWriter(target, probe(source), crf=crf, preset="veryfast") as writer,
    ):
        for batch in reader:
            held = first_frames(batch, frames - written) if frames else batch
            writer.write(held)
            written += len(held)
            if written == frames:
                break
    return written


@dataclass(frozen=True)
class ClipPair:
    """A clip and its protected version after the same codec."""

    clean: Path
    protected: Path


def through_codecs(lossless: ClipPair, crfs: Sequence[int], folder: Path) -> dict[int, ClipPair]:
    """The pair lossless and after each rate factor, in that order."""
    pairs = {LOSSLESS: lossless}
    for crf in crfs:
        if crf not in pairs:
            pair = ClipPair(folder / f"clean-crf{crf}.mkv", folder / f"protected-crf{crf}.mkv")
            cut_clip(lossless.clean, pair.clean, crf=crf)
            cut_clip(lossless.protected, pair.protected, crf=crf)
            pairs[crf] = pair
    return pairs


def first_frames(batch: FrameBatch, count: int) -> FrameBatch:
    """At most the first `count` frames of a batch."""
    return dataclasses.replace(
        batch,
        planes=tuple(plane[:count] for plane in batch.planes),
        pts=batch.pts[:count],
        durations=batch.durations[:count],
        cut=batch.cut[:count],
    )


@dataclass(frozen=True)
class Cuts:
    """Where the faces of the clean clip lie: the same crops can be cut from its other versions."""

    batches: list[FaceCrops]
    models: Models
    batch: int
    """Frames that each of the batches is of, but for the last."""

    @staticmethod
    def of(clip: Path, settings: Settings, models: Models) -> Cuts:
        """Track the faces of a clip.

        Raises:
            InputError: it has none.
        """
        batches = [crops for _, crops in crops_of(clip, settings, models)]
        if not any(map(len, batches)):
            raise InputError(f"no face was found in {clip}")
        return Cuts(batches, models, batch_size(settings.run.batch, settings.run.device))

    @property
    def faces(self) -> int:
        """Faces in all frames."""
        return sum(map(len, self.batches))

    def crops(self, clip: Path) -> Tensor:
        """The faces of a version of the clip, (F, 3, S, S), in the order of its frames."""
        record, out = self.models.translator.record, []
        with ClipReader(clip, batch=self.batch) as reader:
            aspect = float(reader.info.sample_aspect)
            for batch, held in zip(reader, self.batches, strict=True):
                if len(held):
                    found = align(
                        batch,
                        held.faces,
                        record.size,
                        record.alignment,
                        self.models.device,
                        aspect=aspect,
                    )
                    out.append(found.data)
        return torch.cat(out)

    def apart(self, clip: Path, other: Path) -> Tensor:
        """Largest difference of a sample in each face's whole frame, (F,) int64, 0 where equal."""
        out: list[int] = []
        with ClipReader(clip, batch=self.batch) as a, ClipReader(other, batch=self.batch) as b:
            for ours, theirs, held in zip(a, b, self.batches, strict=True):
                out += [_apart(ours, theirs, int(frame)) for frame in held.faces.frame]
        return torch.tensor(out, dtype=torch.int64)


def _apart(ours: FrameBatch, theirs: FrameBatch, frame: int) -> int:
    pairs = zip(ours.planes, theirs.planes, strict=True)
    return max(
        int(np.abs(a[frame].astype(np.int32) - b[frame].astype(np.int32)).max()) for a, b in pairs
    )
