"""Runs without networks: reading, looping and writing are real, and no face is ever found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from magdr_video import runs
from magdr_video.pipeline import Stages
from magdr_video.staging import Staged
from magdr_video.types import FaceCrops, Faces, FrameBatch


def find_none(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
    for batch in batches:
        yield batch, Faces.none()


def align_none(batch: FrameBatch, faces: Faces) -> FaceCrops:
    return FaceCrops(torch.zeros(0, 3, 1, 1), np.zeros((0, 2, 3)), faces)


def never(*_: Any) -> Any:
    raise AssertionError("no face was found, so nothing is left to do")


def without_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `runs` work on real clips with no models."""
    models = SimpleNamespace(device=torch.device("cpu"), weights={}, notes=())
    stages = Stages(find_none, align_none, *[never] * 6)
    counts: Any = SimpleNamespace(
        scout=lambda batches, **_: batches,
        searched_every=1,
        aspect=1.0,
        passes=0,
        tracks=0,
        small=0,
        filled=0,
        unfilled=0,
        jitter=0.0,
        reference=None,
    )
    monkeypatch.setattr(runs, "load_models", lambda settings: models)
    monkeypatch.setattr(runs, "stage_clip", lambda *_, **__: Staged(stages, counts, counts))
