"""Clips from file to file, without networks."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch

from magdr_video import runs
from magdr_video.errors import DeviceError, RuntimeFailure
from magdr_video.runs import detect_clip, translate_clip
from magdr_video.settings import load_settings
from magdr_video.types import FrameBatch
from magdr_video.video.span import parse_span
from tests import standins
from tests.clips import ClipPlan, make_clip, vfr_times
from tests.faceless import without_networks


def test_a_sample_is_judged_alone_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    path = tmp_path / "a.mkv"
    make_clip(path, ClipPlan(frames=30, time_base=Fraction(1, 1000)))
    settings = load_settings(task="edit")
    whole = detect_clip(path, settings)["run"]
    assert whole["frames_in"] == 30
    assert not any("random" in note for note in whole["notes"])
    drawn = detect_clip(path, settings, sample=4)["run"]
    assert drawn["frames_in"] == 4
    assert any(note.startswith("judged on 4 frames drawn at random") for note in drawn["notes"])


def test_progress_is_told_as_time_after_the_first_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    times = vfr_times(40, start=9_000_000)
    make_clip(tmp_path / "a.mp4", ClipPlan(pts=times))
    seen: list[Fraction] = []
    for span in (parse_span(None, None), parse_span("10f", None)):
        translate_clip(
            tmp_path / "a.mp4", tmp_path / "b.mp4", load_settings(task="edit"), span=span,
            overwrite=True, tick=lambda frames, seconds: seen.append(seconds),
        )  # fmt: skip
        first = times[10] if span.start else times[0]
        assert seen[-1] == Fraction(times[-1] - first, 90000)


def spent(*_: object) -> object:
    raise torch.cuda.OutOfMemoryError("no memory left")


@pytest.mark.parametrize("stage", ["find_faces", "align", "parse", "inspect", "translate", "paste"])
def test_spent_device_memory_ends_the_run_instead_of_passing_every_frame_on(
    stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standins.without_networks(monkeypatch)
    held = standins.inverting()
    stages = dataclasses.replace(held.stages, **{stage: spent})
    staged = dataclasses.replace(held, stages=stages)
    monkeypatch.setattr(runs, "stage_clip", lambda *_, **__: staged)
    make_clip(tmp_path / "a.mp4")
    with pytest.raises(DeviceError, match="too little memory") as caught:
        translate_clip(tmp_path / "a.mp4", tmp_path / "b.mp4", load_settings(task="edit"))
    assert caught.value.exit_code == 6 and "run.batch" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def fewer(batch: FrameBatch) -> FrameBatch:
    """Without its last frame."""
    return dataclasses.replace(
        batch,
        planes=tuple(plane[:-1] for plane in batch.planes),
        pts=batch.pts[:-1],
        durations=batch.durations[:-1],
        cut=batch.cut[:-1],
    )


@pytest.mark.parametrize("segment", [0, 16])
@pytest.mark.parametrize("lossy", ["paste", "find_faces"])
def test_a_film_with_fewer_frames_than_its_source_is_1_and_never_appears(
    lossy: str, segment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standins.without_networks(monkeypatch)
    held = standins.inverting()
    cut: Any = {
        "paste": lambda batch, *_: fewer(batch),
        "find_faces": lambda batches: held.stages.find_faces(map(fewer, batches)),
    }[lossy]
    stages = dataclasses.replace(held.stages, **{lossy: cut})
    staged = dataclasses.replace(held, stages=stages)
    monkeypatch.setattr(runs, "stage_clip", lambda *_, **__: staged)
    make_clip(tmp_path / "a.mp4")
    settings = load_settings(task="edit", overrides=[f"output.segment={segment}"])
    # One frame of each of the three batches that 12 frames make.
    with pytest.raises(RuntimeFailure, match="12 frames went in, 9 came out") as caught:
        translate_clip(tmp_path / "a.mp4", tmp_path / "b.mp4", settings)
    assert caught.value.exit_code == 1
    assert not (tmp_path / "b.mp4").exists()
