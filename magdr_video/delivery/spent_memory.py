"""Device memory that is spent ends a run, where any other failure of a stage passes frames on.

The generator halves its batches first (`stages.generator`); what reaches this is what one face
alone does not fit. Every batch that follows would fail alike, and a film without one translated
face would come out as if all were well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from magdr_video.errors import DeviceError
from magdr_video.pipeline import Stages
from magdr_video.types import Faces, FrameBatch


def ending_when_spent(stages: Stages) -> Stages:
    """The same stages, for which a lack of device memory is a `DeviceError` (exit 6)."""
    held = {about.name: getattr(stages, about.name) for about in dataclasses.fields(stages)}
    told: dict[str, Any] = {n: _telling(stage) for n, stage in held.items() if callable(stage)}
    told["find_faces"] = _telling_each(stages.find_faces)
    return dataclasses.replace(stages, **told)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceError(
            "the device has too little memory for one batch",
            hint="try --set run.batch=4, close other programs that use it, or --device cpu",
        ) from error


def _telling(stage: Callable[..., Any]) -> Callable[..., Any]:
    def told(*given: Any) -> Any:
        with _told():
            return stage(*given)

    return told


def _telling_each(
    find: Callable[[Iterable[FrameBatch]], Iterator[tuple[FrameBatch, Faces]]],
) -> Callable[[Iterable[FrameBatch]], Iterator[tuple[FrameBatch, Faces]]]:
    def found(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
        with _told():
            yield from find(batches)

    return found
