"""The figures of the way back compare persona faces, outputs and the faces that were there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.models.cyclegan import CycleGAN
from magdr_video.training import way_back_scores
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.way_back_scores import evaluate_back


def _points(image: Array) -> Array | None:
    return np.array([[30, 40], [60, 40], [45, 55], [35, 70], [55, 70]], np.float32)


def test_a_generator_that_changes_nothing_leaves_the_persona(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (data_dir / "omi" / "landmarks.npz").exists():
        pytest.skip("the OMI faces are not here (MAGDR_DATA)")
    monkeypatch.setattr(way_back_scores, "translate", lambda net, images: images)
    torch.manual_seed(0)
    net = CycleGAN(width=4, blocks=1, attention=True).eval().requires_grad_(False)
    scores = evaluate_back(net, OmiFaces(data_dir), size=64, count=4, find=_points)
    assert scores["faces"] == 4
    assert scores["output like persona"] == scores["persona face like persona"]
    assert scores["output like persona"] > scores["source like persona"]
    assert scores["psnr inside, output"] == scores["psnr inside, persona face"] < 40
    assert scores["psnr outside"] == 100
    assert (scores["drift"], scores["found"]) == (0, 1)
    assert min(scores["disruption"], scores["disruption inside"]) > 0
