"""Crops averaged along the motion of their track, over the batches around."""

from __future__ import annotations

from collections.abc import Sequence

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
        window: frames, odd; the crop is in their middle.
    """
    runs = _tracks_in_time(batch, crops, around)
    frames, reach = face_frames(batch, crops), window // 2
    out = {}
    for index in chosen:
        frame, run = frames[index], runs[int(crops.faces.track[index])]
        near = [at for at in range(frame - reach, frame + reach + 1) if at in run]
        out[index] = (crops.data[index], False)
        if len(near) < LEAST_FRAMES:
            continue
        averaged = average_along_motion([run[at] for at in near], near.index(frame))
        if bool(faithful(crops.data[index][None], averaged[None])[0]):
            out[index] = (averaged, True)
    return out


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
