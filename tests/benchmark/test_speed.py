"""Speed: what is counted and how; no test asserts a wall time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.benchmark import precision_costs, speed, stage_costs, whole_runs
from magdr_video.benchmark.device_use import DeviceUse, Piece, add_up, device_use
from magdr_video.benchmark.landmarks import LandmarkErrors
from magdr_video.benchmark.speed_tables import speed_tables
from magdr_video.benchmark.stopwatch import (
    MemoryTrace,
    Spent,
    forget_peak,
    peak_memory,
    resident_memory,
)
from magdr_video.pipeline import Stages
from magdr_video.settings import load_settings
from magdr_video.staging import Staged
from magdr_video.types import FaceCrops, Faces, FrameBatch, Masks, RunReport
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, make_clip


def made_clip(folder: Path) -> Path:
    make_clip(folder / "clip.mp4", ClipPlan(frames=40))
    return folder / "clip.mp4"


def one_face_a_frame(batch: FrameBatch) -> Faces:
    count = len(batch)
    box = np.tile(np.array([8, 8, 40, 40], np.float32), (count, 1))
    return Faces(
        frame=np.arange(count),
        boxes=box,
        landmarks=np.tile(box[:, None, :2], (1, 5, 1)),
        scores=np.ones(count, np.float32),
        track=np.zeros(count, np.int64),
        filled=np.zeros(count, np.bool_),
    )


class FakeParts:
    passes = 3
    refined = 10
    tracks = 1
    small = 0
    filled = 0
    unfilled = 0
    jitter = 0.0
    reference = None
    searched_every = 1
    aspect = 1.0

    @staticmethod
    def scout(batches: Iterator[FrameBatch], **_: object) -> Iterator[FrameBatch]:
        return batches


def fake_stages(settings: object, models: object, info: object, report: RunReport) -> Staged:
    """Stages that touch a corner of the luma plane and count a pass a face."""

    def translate(restored: torch.Tensor, conditions: object, verdict: object) -> torch.Tensor:
        report.generator_passes += len(restored)
        return restored

    def paste(batch: FrameBatch, crops: object, images: object, masks: object) -> FrameBatch:
        luma = batch.planes[0].copy()
        luma[:, :8, :8] = 0
        return FrameBatch(**(vars(batch) | {"planes": (luma, *batch.planes[1:])}))

    def align(batch: FrameBatch, faces: Faces) -> FaceCrops:
        return FaceCrops(torch.zeros(len(faces), 3, 8, 8), np.zeros((len(faces), 2, 3)), faces)

    stages = Stages(
        find_faces=lambda batches: ((batch, one_face_a_frame(batch)) for batch in batches),
        align=align,
        parse=lambda batch, crops: Masks(torch.ones(len(crops), 1, 8, 8), ("all",), (True,)),
        condition=lambda batch, crops: torch.zeros(len(crops), 0),
        inspect=lambda batch, crops, masks, condition, around: None,  # type: ignore[arg-type,return-value]
        reconstruct=lambda batch, crops, masks, condition, verdict, around: crops.data,
        translate=translate,
        paste=paste,
    )
    return Staged(stages, FakeParts(), FakeParts())  # type: ignore[arg-type]


class FakeModels:
    device = torch.device("cpu")
    weights = {"toy": "0" * 64}  # noqa: RUF012
    table = None


@pytest.fixture
def measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    clip = made_clip(tmp_path)
    for module in (whole_runs, stage_costs):
        monkeypatch.setattr(module, "stage_clip", fake_stages)
    monkeypatch.setattr(speed, "undefended", lambda settings, models: (settings, models))
    errors = LandmarkErrors(np.array([0.01, 0.03]), 3, extra=0, passes=3, refined=10, frames=40)
    monkeypatch.setattr(speed, "landmark_errors", lambda *given: errors)
    return speed.measure_clip(
        clip,
        load_settings(task="edit"),
        FakeModels(),  # type: ignore[arg-type]
        speed.SpeedPlan(presets=("ultrafast",)),
    )


def test_a_clip_is_measured_from_end_to_end(measured: dict) -> None:
    assert measured["frames"] == measured["faces"] == 40
    assert set(measured["stages"]) == set(stage_costs.STAGES)
    runs = {"transcode", "undefended", "defended", "defended, not encoded"}
    assert set(measured["runs"]) == runs | {"transcode, ultrafast", "defended, ultrafast"}
    assert all(value > 0 for value in measured["ratios"].values())
    assert measured["memory"]["frames"][-1] == 40


def test_passes_are_counted_a_face_and_a_frame(measured: dict) -> None:
    assert measured["passes"]["generator passes a face-frame"] == 1.0
    assert measured["passes"]["MTCNN passes a frame"] == pytest.approx(3 / 40)
    assert measured["passes"]["looks of MTCNN's last net a face-frame"] == 0.25
    assert measured["landmarks"]["mean"] == pytest.approx(0.02)
    assert measured["landmarks"]["missed"] == 1


def test_a_pasted_luma_plane_is_a_copy_and_the_chroma_planes_are_not(measured: dict) -> None:
    # Out of the decoder and into the encoder: twice; the luma of 4:2:0 is two thirds of a frame.
    assert measured["ratios"]["bytes copied / bytes of the frames"] == pytest.approx(2 + 2 / 3)


def test_the_table_has_ratios_first_and_names_the_processor(measured: dict) -> None:
    held = {"clips": [measured], "task": "edit", "machine": {"cpu": "Test CPU"}, "device": "cpu"}
    first, second = speed_tables(held)
    assert first.rows[0][0] == "defended / undefended"
    assert "Test CPU" in second.title
    assert second.head[1:3] == ("frames a second", "warm")
    assert len(second.rows) == len(stage_costs.STAGES) + 6


def test_a_limit_is_rounded_up_to_whole_batches(tmp_path: Path) -> None:
    clip = made_clip(tmp_path)
    with ClipReader(clip, batch=16) as reader:
        assert [len(b) for b in stage_costs.first_frames(reader, 17)] == [16, 16]
    with ClipReader(clip, batch=16) as reader:
        assert sum(len(b) for b in stage_costs.first_frames(reader, 0)) == 40


def test_memory_that_grows_with_the_frames_has_its_slope() -> None:
    trace = MemoryTrace()
    for frames in range(0, 1000, 50):
        trace.note(frames, 500.0 + min(frames, 300) + 0.02 * frames)
    assert trace.slope == pytest.approx(20.0, abs=0.01)


def test_a_short_trace_has_no_slope() -> None:
    trace = MemoryTrace()
    trace.note(16, 500.0)
    assert trace.slope is None


def test_memory_is_read_from_the_system() -> None:
    assert 10 < resident_memory() <= peak_memory() * 1.05


def test_time_is_added_up_even_when_the_work_fails() -> None:
    spent = Spent()
    with pytest.raises(ValueError, match="stop"), spent.running():
        raise ValueError("stop")
    assert spent.wall > 0


def test_what_comes_after_the_caches_are_warm_is_counted_apart() -> None:
    held = whole_runs.PipelineRun()
    for frames, passes in ((16, 60), (64, 120), (80, 136), (112, 170)):
        held.report.frames_out = held.report.faces = frames
        held.report.generator_passes = passes
        held.mark()
    warm = held.warm()
    assert warm is not None
    assert (warm.frames, warm.faces, warm.passes) == (48, 48, 50)
    counts = speed.passes(held)
    assert counts["generator passes a face-frame, after frame 64"] == pytest.approx(50 / 48)
    held.marks = held.marks[:2]
    assert held.warm() is None


def test_a_peak_can_be_forgotten() -> None:
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("only Linux tells a peak that can begin anew")
    ballast = np.ones(1 << 27, np.uint8)
    high = peak_memory()
    del ballast
    forget_peak()
    assert peak_memory() < high - 64


def test_without_landmarks_their_rows_are_left_out(measured: dict) -> None:
    held = {
        "clips": [measured | {"landmarks": {}}],
        "task": "edit",
        "machine": {"cpu": "Test CPU"},
        "device": "cpu",
    }
    names = [row[0] for row in speed_tables(held)[0].rows]
    assert names and not any("landmark" in name for name in names)


def test_the_document_begins_with_the_ratios_and_is_json(measured: dict) -> None:
    held = speed.speed_document([measured], load_settings(task="edit"), FakeModels())  # type: ignore[arg-type]
    told = json.loads(json.dumps(held, allow_nan=False))
    assert next(iter(told)) == "ratios"
    assert told["ratios"]["clip.mp4"] == measured["ratios"]
    assert next(iter(told["clips"][0])) == "ratios"


def test_numbers_that_json_has_no_word_for_become_null() -> None:
    assert speed.in_json({"a": [1.5, float("inf")], "b": float("nan")}) == {
        "a": [1.5, None],
        "b": None,
    }


def test_faces_a_second_leave_out_decoding_and_encoding() -> None:
    stages = {name: Spent(wall=0.5) for name in stage_costs.STAGES}
    rates = speed.face_rates(stages, 30)
    assert rates == {"found already": 10.0, "with finding them": pytest.approx(30 / 3.5)}


def test_a_device_is_busy_once_where_its_work_overlaps() -> None:
    use = DeviceUse(wall=10.0)
    pieces = [
        Piece("late", 6.0, 7.0),
        Piece("conv", 0.0, 3.0),
        Piece("conv", 2.0, 4.0),
        Piece("inside", 2.5, 3.5),
        Piece("Memcpy HtoD (Pinned -> Device)", 3.5, 5.0),
    ]
    add_up(pieces, use)
    assert use.busy == 6.0
    assert use.copying == 1.5
    assert use.launches == 4
    assert next(iter(use.dearest)) == "conv"
    assert use.dearest == {"conv": 5.0, "late": 1.0, "inside": 1.0}
    assert use.values(frames=2)["utilisation"] == pytest.approx(0.6)
    assert use.values(frames=2)["kernels_per_frame"] == 2


def test_on_a_processor_there_is_no_device_to_record() -> None:
    with device_use(torch.device("cpu")) as use:
        torch.ones(3).sum()
    assert (use.busy, use.launches) == (0.0, 0)
    assert use.wall > 0


def test_what_a_device_does_is_recorded(cuda_device: torch.device) -> None:
    with device_use(cuda_device) as use:
        held = torch.randn(64, 64, device=cuda_device)
        for _ in range(5):
            held = held @ held
        held.cpu()
    assert 0 < use.busy <= use.wall
    assert use.launches >= 5
    assert use.copying > 0


def test_the_table_of_a_device_names_it(measured: dict) -> None:
    use = DeviceUse(wall=1.0, busy=0.25, launches=40, dearest={"conv": 0.125})
    cost = {"full_ms": 0.5, "half_ms": 0.25, "psnr": 51.0, "most": 0.01}
    device = {
        "frames": 10,
        "whole run": use.values(10),
        "stages": {"parse": use.values(10)},
        "precision": {"parser": cost},
    }
    held = {
        "clips": [measured | {"device": device}],
        "task": "edit",
        "machine": {"cpu": "Test CPU"},
        "device": "cuda:0 (Test)",
    }
    _, _, stages, precision, kernels = speed_tables(held)
    assert "cuda:0 (Test)" in stages.title
    assert stages.rows[0] == ("parse, alone", "0.250", "25.000", "0.000", "4.0")
    assert precision.rows == (("parser", "0.5000", "0.2500", "51.0000", "0.0100"),)
    assert kernels.rows == (("conv", "12.5000"),)


def test_a_network_in_both_precisions_is_compared_on_the_same_crops() -> None:
    def run(half: bool) -> torch.Tensor:
        return torch.full((2, 3, 4, 4), 0.5 if half else 0.51)

    cost = precision_costs._compare(run, 2, torch.device("cpu"))
    assert cost.psnr == pytest.approx(40, abs=0.01)
    assert cost.most == pytest.approx(0.01, abs=1e-4)
    assert min(cost.full_ms, cost.half_ms) > 0
    assert precision_costs._compare(lambda half: run(True), 2, torch.device("cpu")).most == 0
