"""Clips of one made-up face a frame, and where it lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from magdr_video.benchmark.clip_cuts import LOSSLESS, Cuts
from magdr_video.faces.alignment import align
from magdr_video.types import FaceCrops, FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import rgb_to_batch
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter
from tests.faces.batches import make_faces
from tests.toys import pictures

SIDE = 64
TOY_RECORD = SimpleNamespace(size=32, alignment="ffhq", name="toy", sha256="ab" * 32, conditions=())


@dataclass(frozen=True)
class ToyModels:
    """What cutting and comparing runs need of the models."""

    translator: SimpleNamespace
    device: torch.device
    table: None = None


TOY_MODELS = ToyModels(SimpleNamespace(record=TOY_RECORD), torch.device("cpu"))


def toy_clip(
    path: Path, frames: int = 5, *, noise: float = 0.0, darker: tuple[int, ...] = ()
) -> Path:
    """A picture that changes a little from frame to frame, lossless; some frames darker."""
    rgb = pictures(1, SIDE).repeat(frames, 1, 1, 1)
    draw = torch.Generator().manual_seed(frames)
    rgb = rgb + (0.02 + noise) * torch.randn(rgb.shape, generator=draw)
    rgb[list(darker)] -= 0.1
    held = (rgb.clamp(0, 1) * 255).byte().permute(0, 2, 3, 1).numpy()
    info = ClipInfo.synthetic(SIDE, SIDE, 25)
    with ClipWriter(path, info, crf=LOSSLESS) as writer:
        writer.write(rgb_to_batch(np.ascontiguousarray(held), info))
    return path


def toy_cuts(clip: Path, *, batch: int = 16) -> Cuts:
    """One face in the middle of every frame."""

    def crops(held: FrameBatch) -> FaceCrops:
        count = len(held)
        faces = make_faces(list(range(count)), np.full((count, 2), SIDE / 2), SIDE * 0.6)
        return align(held, faces, TOY_RECORD.size, TOY_RECORD.alignment)

    with ClipReader(clip, batch=batch) as reader:
        return Cuts([crops(held) for held in reader], TOY_MODELS, batch)  # type: ignore[arg-type]
