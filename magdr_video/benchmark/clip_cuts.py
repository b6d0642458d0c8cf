"""Versions of a clip, and the same faces cut out of each of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

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


def cut_clip(source: Path, target: Path, *, crf: int, frames: int | None = None) -> None:
    """Encode a clip, or its first frames, as H.264."""
    with (
        ClipReader(source) as reader,
        ClipWriter(target, probe(source), crf=crf, preset="veryfast") as writer,
    ):
        left = frames
        for batch in reader:
            held = batch if left is None else first_frames(batch, left)
            if len(held):
                writer.write(held)
            left = None if left is None else left - len(held)
            if left == 0:
                return


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

    @staticmethod
    def of(clip: Path, settings: Settings, models: Models) -> Cuts:
        """Track the faces of a clip.

        Raises:
            InputError: it has none.
        """
        batches = [crops for _, crops in crops_of(clip, settings, models)]
        if not any(map(len, batches)):
            raise InputError(f"no face was found in {clip}")
        return Cuts(batches, models)

    def crops(self, clip: Path) -> Tensor:
        """The faces of a version of the clip, (F, 3, S, S), in the order of its frames."""
        record, out = self.models.translator.record, []
        with ClipReader(clip) as reader:
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
