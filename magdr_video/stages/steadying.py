"""Crops averaged and purified along the motion of their track, over the batches around."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from magdr_video.device import side_by_side
from magdr_video.pipeline import Neighbours, face_frames
from magdr_video.reconstruction.recnet import faithful
from magdr_video.reconstruction.temporal import average_views, view_of
from magdr_video.transforms import purify_along_motion
from magdr_video.types import FaceCrops, FrameBatch

LEAST_FRAMES = 3
"""Frames below which an average is none and chains for single crops fit better."""


def steady(
    batch: FrameBatch,
    crops: FaceCrops,
    around: Neighbours,
    chosen: Sequence[int],
    window: int,
    *,
    purified: bool = False,
) -> dict[int, tuple[Tensor, bool]]:
    """Each chosen crop, averaged where its track allows, and whether it was.

    Args:
        chosen: indexes of crops of the batch.
        window: frames, odd; the crop is in their middle, or as near to it as its track allows, so
            that the first and the last faces of a track are averaged as well.
        purified: the motion purifier makes the repaired frame of an average and its frame.
    """
    runs = _tracks_in_time(batch, crops, around)
    frames, tracks = face_frames(batch, crops), crops.faces.track.tolist()
    near = {index: _nearest(frames[index], runs[tracks[index]], window) for index in chosen}
    out = {index: (crops.data[index], False) for index in chosen}
    rows = [index for index in chosen if len(near[index]) >= LEAST_FRAMES]
    if not rows:
        return out
    wanted = sorted({(tracks[index], at) for index in rows for at in near[index]})
    # Down from the device all at once, and prepared once: a crop is part of many windows.
    together = torch.stack([runs[track][at] for track, at in wanted]).cpu()
    views = dict(zip(wanted, map(view_of, together), strict=True))

    def average(index: int) -> Tensor:
        window = [views[tracks[index], at] for at in near[index]]
        return torch.from_numpy(average_views(window, near[index].index(frames[index])))

    averaged = torch.stack(side_by_side(average, rows)).to(crops.data)
    if purified:
        averaged = purify_along_motion(averaged, crops.data[rows])
    kept = faithful(crops.data[rows], averaged).tolist()
    for index, one, is_faithful in zip(rows, averaged, kept, strict=True):
        if is_faithful:
            out[index] = (one, True)
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
