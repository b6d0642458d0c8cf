"""Crops are averaged along their own track only, and only where there are enough of them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from magdr_video.pipeline import Neighbours
from magdr_video.reconstruction.temporal import View, average_along_motion, view_of
from magdr_video.stages import steadying
from magdr_video.stages.steadying import steady
from magdr_video.types import FaceCrops
from tests.faces.batches import make_clip, make_faces
from tests.toys import decibels, pictures

SIZE = 32
CLEAN = pictures(1, SIZE)[0]


def crops(frames: list[int], track: int = 1) -> FaceCrops:
    data = []
    for frame in frames:
        draw = torch.Generator().manual_seed(frame + 17)
        data.append((CLEAN + 0.03 * torch.randn(CLEAN.shape, generator=draw)).clamp(0, 1))
    faces = make_faces(list(range(len(frames))), np.full((len(frames), 2), 4.0), 4.0)
    faces = dataclasses.replace(faces, track=np.full(len(frames), track, np.int64))
    return FaceCrops(torch.stack(data), np.zeros((len(frames), 2, 3)), faces)


def test_neighbours_of_other_batches_are_averaged_in() -> None:
    (batch,) = list(make_clip(4, size=2))[1:]
    here = crops([2, 3])
    around = Neighbours(before=((0, crops([0, 1])),), after=((4, crops([4, 5])),))
    for index, (averaged, is_average) in steady(batch, here, around, [0, 1], 5).items():
        assert is_average
        assert decibels(averaged, CLEAN) > decibels(here.data[index], CLEAN) + 3


def test_other_tracks_are_left_out_and_two_frames_are_no_average() -> None:
    (batch,) = list(make_clip(4, size=2))[1:]
    here, others = crops([2, 3]), Neighbours(before=((0, crops([0, 1], track=2)),))
    for index, (kept, is_average) in steady(batch, here, others, [0, 1], 5).items():
        assert not is_average and torch.equal(kept, here.data[index])


def test_a_window_of_one_averages_nothing() -> None:
    batch = next(iter(make_clip(4, size=4)))
    here = crops([0, 1, 2, 3])
    assert not any(averaged for _, averaged in steady(batch, here, Neighbours(), [1], 1).values())


def test_a_tracks_first_and_last_faces_are_averaged_with_the_nearest_that_there_are() -> None:
    (batch,) = list(make_clip(4, size=2))[:1]
    here, around = crops([0, 1]), Neighbours(after=((2, crops([2, 3])),))
    first = steady(batch, here, around, [0], 3)[0]
    longer = steady(batch, here, Neighbours(after=((2, crops([2])),)), [0], 3)[0]
    assert first[1] and torch.equal(first[0], longer[0])
    assert decibels(first[0], CLEAN) > decibels(here.data[0], CLEAN) + 2


def test_a_crop_is_prepared_once_whatever_averages_it_is_part_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared = []

    def prepare(crop: torch.Tensor) -> View:
        prepared.append(crop)
        return view_of(crop)

    monkeypatch.setattr(steadying, "view_of", prepare)
    batch = next(iter(make_clip(6, size=6)))
    here = crops([0, 1, 2, 3, 4, 5])
    around = Neighbours(after=((6, crops([6, 7, 8, 9])),))
    out = steady(batch, here, around, [2, 3, 4, 5], 5)
    # Four windows of five frames: 0 to 4, 1 to 5, 2 to 6, 3 to 7.
    assert len(prepared) == 8
    assert torch.equal(out[2][0], average_along_motion(list(here.data[:5]), 2))


def test_the_motion_purifier_gets_the_average_and_the_frame_of_what_is_averaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[tuple[torch.Tensor, torch.Tensor]] = []

    def purify(means: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        given.append((means, frames))
        return means * 0.99

    monkeypatch.setattr(steadying, "purify_along_motion", purify)
    (batch,) = list(make_clip(4, size=2))[1:]
    here, around = crops([2, 3]), Neighbours(before=((0, crops([0, 1])),))
    plain = steady(batch, here, around, [1], 3)[1][0]
    repaired, is_average = steady(batch, here, around, [1], 3, purified=True)[1]
    ((means, frames),) = given
    assert torch.equal(means[0], plain) and torch.equal(frames[0], here.data[1])
    assert is_average and torch.equal(repaired, plain * 0.99)
    alone = steady(batch, here, Neighbours(), [0], 3, purified=True)[0]
    assert not alone[1] and len(given) == 1, "a face without neighbours is no average"


def test_a_repair_that_leaves_the_picture_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steadying, "purify_along_motion", lambda means, frames: 1 - frames)
    (batch,) = list(make_clip(4, size=2))[1:]
    here, around = crops([2, 3]), Neighbours(before=((0, crops([0, 1])),))
    kept, is_average = steady(batch, here, around, [0], 3, purified=True)[0]
    assert not is_average and torch.equal(kept, here.data[0])
