"""Crops averaged along the motion of their track, over the batches around."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.recnet import faithful
from magdr_video.reconstruction.temporal import average_along_motion
from magdr_video.types import FaceCrops, FrameBatch

LEAST_FRAMES = 3
"""Frames below which an average is none and chains for single crops fit better."""


def steady(
    batch: FrameBatch, crops: FaceCrops, around: Neighbours, chosen: Sequence[int], window: int
) -> dict[int, tuple[Tensor, bool]]:
    """Each chosen crop, averaged where its track allows, and whether it was.

    Args:
        chosen: indexes of crops of the batch.
        window: frames, odd; the crop is in their middle, or as near to it as its track allows, so
            that the first and the last faces of a track are averaged as well.
    """
    runs = _tracks_in_time(batch, crops, around)
    frames = face_frames(batch, crops)
    out = {}
    for index in chosen:
        frame, run = frames[index], runs[int(crops.faces.track[index])]
        near = _nearest(frame, run, window)
        out[index] = (crops.data[index], False)
        if len(near) < LEAST_FRAMES:
            continue
        averaged = average_along_motion([run[at] for at in near], near.index(frame))
        if bool(faithful(crops.data[index][None], averaged[None])[0]):
            out[index] = (averaged, True)
    return out


def seen_together(
    batch: FrameBatch, crops: FaceCrops, around: Neighbours, chosen: Sequence[int], count: int
) -> dict[int, Tensor]:
    """Each chosen crop with its track's nearest ones, at most `count` of them: (N, 3, S, S)."""
    runs = _tracks_in_time(batch, crops, around)
    frames = face_frames(batch, crops)
    out = {}
    for index in chosen:
        run = runs[int(crops.faces.track[index])]
        out[index] = torch.stack([run[at] for at in _nearest(frames[index], run, count)])
    return out


def _nearest(frame: int, run: Collection[int], window: int) -> list[int]:
    """The `window` frames of a run that are nearest to one of them, in order."""
    around = [at for at in range(frame - window + 1, frame + window) if at in run]
    return sorted(sorted(around, key=lambda at: (abs(at - frame), at))[:window])


def _tracks_in_time(
    batch: FrameBatch, crops: FaceCrops, around: Neighbours
) -> dict[int, dict[int, Tensor]]:
    """Crops by track and frame, the batches around included."""
    runs: dict[int, dict[int, Tensor]] = {}
    for first, held in (*around.before, (batch.first_index, crops), *around.after):
        for index, track in enumerate(held.faces.track):
            at = first + int(held.faces.frame[index])
            runs.setdefault(int(track), {})[at] = held.data[index]
    return runs
