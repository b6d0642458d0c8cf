"""The loop over batches, with every stage a fake."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video.errors import InputError, RuntimeFailure
from magdr_video.pipeline import Neighbours, Stages, run, with_neighbours
from magdr_video.stages.inspector import unjudged
from magdr_video.types import FaceCrops, Faces, FrameBatch, Masks, RunReport, Verdict
from tests.faces.batches import make_clip, make_faces
from tests.toys import halves

SIZE = 8


def one_face_a_frame(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
    for batch in batches:
        count = len(batch)
        faces = make_faces(list(range(count)), np.full((count, 2), 4.0), 4.0)
        yield batch, dataclasses.replace(faces, track=np.zeros(count, np.int64))


def no_faces(batches: Iterable[FrameBatch]) -> Iterator[tuple[FrameBatch, Faces]]:
    for batch in batches:
        yield batch, Faces.none()


def align(batch: FrameBatch, faces: Faces) -> FaceCrops:
    """A crop as bright as its frame's number in the clip."""
    numbers = torch.as_tensor(batch.first_index + faces.frame, dtype=torch.float32)
    data = (numbers / 100)[:, None, None, None].expand(-1, 3, SIZE, SIZE)
    return FaceCrops(data, np.zeros((len(faces), 2, 3)), faces)


def reconstruct(
    batch: FrameBatch, crops: FaceCrops, masks: Masks, c: Tensor, verdict: Verdict, _: Neighbours
) -> Tensor:
    return crops.data


def paste(batch: FrameBatch, crops: FaceCrops, translated: Tensor, masks: Masks) -> FrameBatch:
    """Writes each face's mean level, times 100, over the whole of its frame."""
    luma = batch.planes[0].copy()
    for frame, picture in zip(crops.faces.frame, translated, strict=True):
        luma[frame] = round(float(picture.mean()) * 100)
    return dataclasses.replace(batch, planes=(luma, *batch.planes[1:]))


def stages(**others: Any) -> Stages:
    parts: dict[str, Any] = {
        "find_faces": one_face_a_frame,
        "align": align,
        "parse": lambda batch, crops: halves(len(crops), SIZE),
        "condition": lambda batch, crops: torch.zeros(len(crops), 1),
        "inspect": lambda batch, crops, masks, condition, around: unjudged(crops, masks),
        "reconstruct": reconstruct,
        "translate": lambda crops, condition, verdict: crops + 0.5,
        "paste": paste,
    }
    return Stages(**(parts | others))


def broken(*_: Any) -> Any:
    raise ZeroDivisionError("a bug of this stage")


def fails_on(first: int, stage: Callable[..., Any]) -> Callable[..., Any]:
    def maybe(batch: FrameBatch, *rest: Any) -> Any:
        return broken() if batch.first_index == first else stage(batch, *rest)

    return maybe


def assert_equal(out: list[FrameBatch], clip: list[FrameBatch]) -> None:
    for ours, theirs in zip(out, clip, strict=True):
        for a, b in zip(ours.planes, theirs.planes, strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_frame_comes_out_once_in_order_and_translated() -> None:
    report = RunReport()
    out = list(run(make_clip(10, size=4), stages(), report))
    assert [batch.first_index for batch in out] == [0, 4, 8]
    levels = np.concatenate([batch.planes[0][:, 0, 0] for batch in out])
    np.testing.assert_array_equal(levels, np.arange(10) + 50)
    assert (report.frames_in, report.faces, report.frames_without_face) == (10, 10, 0)
    assert report.failures == []


def test_batches_without_a_face_pass_unchanged_and_no_stage_is_asked() -> None:
    report, clip = RunReport(), make_clip(10, size=4)
    deaf = dict.fromkeys(("parse", "condition", "inspect", "reconstruct", "translate"), broken)
    out = list(run(clip, stages(find_faces=no_faces, paste=broken, **deaf), report, strict=True))
    assert_equal(out, clip)
    assert (report.frames_in, report.frames_without_face, report.faces) == (10, 10, 0)
    assert report.frames_passed_through == 0


def test_a_clip_without_frames_gives_none() -> None:
    report = RunReport()
    assert list(run([], stages(), report)) == []
    assert report.frames_in == 0


STAGES = ("align", "parse", "condition", "inspect", "reconstruct", "translate", "paste")


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_that_fails_passes_its_batch_through_and_is_counted(name: str) -> None:
    report, clip = RunReport(), make_clip(10, size=4)
    out = list(run(clip, stages(**{name: broken}), report))
    assert_equal(out, clip)
    assert report.frames_in == report.frames_passed_through == 10
    assert [failure["first_frame"] for failure in report.failures] == [0, 4, 8]
    assert "ZeroDivisionError: a bug of this stage" in report.failures[0]["message"]


@pytest.mark.parametrize("name", ["align", "parse", "paste"])
def test_after_a_failed_batch_the_others_are_still_translated(name: str) -> None:
    report, clip = RunReport(), make_clip(12, size=4)
    good = getattr(stages(), name)
    out = list(run(clip, stages(**{name: fails_on(4, good)}), report))
    assert_equal(out[1:2], clip[1:2])
    assert out[0].planes[0][0, 0, 0] == 50 and out[2].planes[0][0, 0, 0] == 58
    assert report.frames_passed_through == 4
    assert report.failures[0]["pts"] == int(clip[1].pts[0])


@pytest.mark.parametrize("name", STAGES)
def test_when_strict_a_failing_stage_ends_the_run_and_names_the_frames(name: str) -> None:
    good = getattr(stages(), name)
    bad = broken if name == "translate" else fails_on(4, good)
    frames = 0 if name == "translate" else 4
    with pytest.raises(RuntimeFailure, match=f"frames from {frames}: a bug") as caught:
        list(run(make_clip(8, size=4), stages(**{name: bad}), RunReport(), strict=True))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("name", ["align", "parse"])
def test_an_error_of_the_user_is_raised_even_when_not_strict(name: str) -> None:
    def refuses(*_: Any) -> Any:
        raise InputError("the driving clip ended")

    with pytest.raises(InputError, match="driving clip"):
        list(run(make_clip(4, size=4), stages(**{name: refuses}), RunReport()))


@pytest.mark.parametrize("size", [1, 3, 4, 16])
@pytest.mark.parametrize("reach", [0, 1, 2, 5])
def test_each_batch_sees_the_crops_as_far_around_as_its_stages_reach(size: int, reach: int) -> None:
    frames, seen = 10, []

    def look(*given: Any) -> Tensor:
        batch, crops, around = given[0], given[1], given[5]
        held = set(range(batch.first_index, batch.first_index + len(batch)))
        for first, part in (*around.before, *around.after):
            held |= {first + int(frame) for frame in part.faces.frame}
        wanted = range(batch.first_index - reach, batch.first_index + len(batch) + reach)
        assert held >= {frame for frame in wanted if 0 <= frame < frames}
        assert all(first < batch.first_index for first, _ in around.before)
        assert all(first > batch.first_index for first, _ in around.after)
        seen.append(batch.first_index)
        return crops.data

    parts = stages(reconstruct=look, reach=reach)
    list(run(make_clip(frames, size=size), parts, RunReport(), strict=True))
    assert seen == list(range(0, frames, size))


def test_no_more_batches_are_held_back_than_the_reach_needs() -> None:
    def pulled(reach: int) -> list[int]:
        out = []

        def items() -> Iterator[tuple[FrameBatch, FaceCrops]]:
            for batch, faces in one_face_a_frame(make_clip(20, size=4)):
                out.append(batch.first_index)
                yield batch, align(batch, faces)

        assert next(with_neighbours(items(), reach))[0].first_index == 0
        return out

    assert pulled(0) == [0]
    assert pulled(4) == [0, 4]
    assert pulled(5) == [0, 4, 8]


def test_the_time_of_every_stage_is_added_up() -> None:
    report = RunReport()
    list(run(make_clip(8, size=4), stages(), report))
    assert set(report.seconds) >= {"decode", *STAGES}
    assert all(seconds >= 0 for seconds in report.seconds.values())
