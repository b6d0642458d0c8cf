"""What stages hold between frames, in bytes: no more after thousands of frames than after few."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from magdr_video.checkpoint import freeze
from magdr_video.faces.detections import Detections
from magdr_video.faces.tracker import FaceTracker
from magdr_video.stages.masks import MaskCarrier
from magdr_video.staging import TOOLS
from magdr_video.types import FaceCrops, FrameBatch, RunReport
from tests.faces.batches import make_batch
from tests.stages.test_stages import SIZE, Scene, find_faces, halves, upright

SETTLED = 400
"""Frames after which all that is held for a while is there."""
FRAMES = 2400
KIB = 1024
STILL = np.array([[-14, -8], [14, -8], [0, 4], [-10, 16], [10, 16]], np.float32)


def slope(frames: Sequence[int], held: Sequence[int]) -> float:
    """Bytes a thousand frames, once all has settled, by least squares."""
    pairs = [(f, b) for f, b in zip(frames, held, strict=True) if f >= SETTLED]
    assert len(pairs) > 10
    return float(np.polyfit(*zip(*pairs, strict=True), 1)[0] * 1000)


def seen(batch: FrameBatch, frames: Sequence[int], aspect: float = 1.0) -> list[Detections]:
    """A face that comes and goes: a new track every 100 frames, and a second face beside it."""
    return [_faces(batch.first_index + index) for index in frames]


def _faces(number: int) -> Detections:
    if number % 100 > 70:
        return Detections.none()
    centres = np.array([(60 + 8 * math.sin(number / 5), 50), (160, 50)], np.float32)
    return Detections(
        boxes=np.concatenate([centres - 28, centres + 28], 1),
        landmarks=centres[:, None] + STILL,
        scores=np.full(2, 0.99, np.float32),
        sure=np.ones(2, np.bool_),
    )


def test_a_tracker_holds_no_more_after_thousands_of_frames() -> None:
    tracker = FaceTracker(seen, period=4, max_gap_seconds=0.4)
    frames, held = [], []
    batches = (make_batch(16, 8, 8, first=first) for first in range(0, FRAMES, 16))
    for batch, _ in tracker.track(batches):
        frames.append(batch.first_index)
        held.append(len(freeze({"tracker": tracker}, TOOLS, None)))
    assert tracker.tracks > 40
    assert slope(frames, held) < 4 * KIB
    assert max(held) < 64 * KIB


def test_verdicts_repairs_and_their_report_grow_by_next_to_nothing() -> None:
    scene = Scene(16, period=30)
    frames, held = [], []
    memory = {
        "inspect": scene.inspector,
        "reconstruct": scene.restorer,
        "report": scene.report,
    }
    for batch in scene.run_through(FRAMES // 2):
        frames.append(batch.first_index)
        held.append(len(freeze(memory, TOOLS, None)))
    assert scene.report.faces_inspected > 3 * FRAMES / 2 / 120
    # The report's line on each inspection, which are far apart.
    assert slope(frames, held) < 16 * KIB


def test_masks_of_tracks_that_are_gone_are_forgotten() -> None:
    carrier = MaskCarrier(
        lambda crops: torch.ones(len(crops), 19, SIZE, SIZE) / 19,
        lambda probabilities: halves(len(probabilities), SIZE),
        6,
        RunReport(),
    )
    frames, held = [], []
    batches = (make_batch(16, 8, 8, first=first) for first in range(0, FRAMES, 16))
    for batch, faces in find_faces(batches):
        # New track numbers every 96 frames, as after shot cuts.
        faces.track[:] += 3 * (batch.first_index // 96)
        crops = torch.zeros(len(faces), 3, SIZE, SIZE)
        carrier(batch, FaceCrops(crops, upright(len(faces)), faces))
        frames.append(batch.first_index)
        held.append(len(freeze({"parse": carrier}, TOOLS, None)))
    assert carrier.report.parser_passes > FRAMES / 6
    assert slope(frames, held) < 16 * KIB
