"""The figures of the way back compare persona faces, outputs and the faces that were there."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from magdr_video.models.cyclegan import CycleGAN
from magdr_video.training import way_back_scores
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.running import run_alone
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


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("purifier", "--weights purifier is a Purifier, not a CycleGAN"),
        ("cyclegan-synthetic-ab", "is of direction AB, not BA"),
        ("nothing", "no weights are named 'nothing'"),
    ],
)
def test_weights_that_are_no_way_back_are_refused(
    weights: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "omi" / "images").mkdir(parents=True)
    argv = ["way_back_scores", "--data", str(tmp_path), "--weights", weights, "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as ended:
        run_alone(way_back_scores.main)
    assert ended.value.code == 5
    line, hint = capsys.readouterr().err.splitlines()
    assert line.startswith("magdr-video: ") and said in line
    assert hint.startswith("  hint: ")
