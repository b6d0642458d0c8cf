"""Runs without networks: every frame has a face, and translating it inverts the picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video import runs
from magdr_video.pipeline import Stages
from magdr_video.stages.inspector import unjudged
from magdr_video.staging import Staged
from magdr_video.types import FaceCrops, Faces, FrameBatch, Masks, RunReport
from tests.faces.batches import make_faces
from tests.toys import halves

SIZE = 8

Meanwhile = Callable[[FrameBatch], None]
"""Called while a batch is translated."""


def one_face_a_frame(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
    for batch in batches:
        count = len(batch)
        faces = make_faces(list(range(count)), np.full((count, 2), 4.0), 4.0)
        yield batch, dataclasses.replace(faces, track=np.zeros(count, np.int64))


def align(batch: FrameBatch, faces: Faces) -> FaceCrops:
    return FaceCrops(torch.zeros(len(faces), 3, SIZE, SIZE), np.zeros((len(faces), 2, 3)), faces)


def invert(batch: FrameBatch) -> FrameBatch:
    """The luma upside down in its range."""
    luma = batch.planes[0]
    top = np.asarray((1 << batch.bits) - 1, luma.dtype)
    return dataclasses.replace(batch, planes=(top - luma, *batch.planes[1:]))


def inverting(meanwhile: Meanwhile = lambda batch: None) -> Staged:
    """Stages that invert every frame."""

    def paste(batch: FrameBatch, crops: FaceCrops, translated: Tensor, masks: Masks) -> FrameBatch:
        meanwhile(batch)
        return invert(batch)

    stages = Stages(
        find_faces=one_face_a_frame,
        align=align,
        parse=lambda batch, crops: halves(len(crops), SIZE),
        condition=lambda batch, crops: torch.zeros(len(crops), 1),
        inspect=lambda batch, crops, masks, condition, around: unjudged(crops, masks),
        reconstruct=lambda batch, crops, masks, condition, verdict, around: crops.data,
        translate=lambda restored, condition, verdict: restored,
        paste=paste,
    )
    finder: Any = SimpleNamespace(passes=0, scout=lambda batches, **_: batches)
    tracker: Any = SimpleNamespace(
        searched_every=1,
        aspect=1.0,
        tracks=1,
        small=0,
        filled=0,
        unfilled=0,
        jitter=0.0,
        reference=None,
    )
    return Staged(stages, finder, tracker, {})


def without_networks(patch: pytest.MonkeyPatch, meanwhile: Meanwhile = lambda batch: None) -> None:
    """Let every run in this process invert pictures instead of translating faces."""

    def staged(settings: Any, models: Any, info: Any, report: RunReport, **_: Any) -> Staged:
        return inverting(meanwhile)

    models = SimpleNamespace(device=torch.device("cpu"), weights={}, notes=(), table=None)
    patch.setattr(runs, "load_models", lambda settings: models)
    patch.setattr(runs, "stage_clip", staged)
