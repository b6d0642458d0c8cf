"""Half precision: where it is allowed, and that the figures stay where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from magdr_video.benchmark.precision_costs import precision_costs
from magdr_video.errors import SettingsError
from magdr_video.loading import load_models
from magdr_video.models.precision import Precision, choose_precision, computing
from magdr_video.runs import crops_of
from magdr_video.settings import TASKS, load_settings

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)

LEAST_PSNR = 48.0
"""dB between results in half and in full precision: one level of 255."""
MOST_MASK = 0.05
"""Largest difference of a soft mask."""


def test_what_the_tables_were_fitted_to_is_never_in_half_precision() -> None:
    assert choose_precision("half", CUDA) == Precision(parser=True, translation=True)
    assert choose_precision("auto", CUDA) == choose_precision("full", CUDA) == Precision()
    served = [choose_precision(name, CUDA).drafts_serve for name in ("auto", "half", "full")]
    assert served == [True, False, True]


def test_a_processor_computes_in_full_and_refuses_half() -> None:
    assert choose_precision("auto", CPU) == choose_precision("full", CPU) == Precision()
    with pytest.raises(SettingsError, match="half"):
        choose_precision("half", CPU)


def test_computing_in_full_changes_nothing() -> None:
    one = torch.ones(2, 2)
    with computing(CPU, half=False):
        assert (one @ one).dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert (one @ one).dtype == torch.bfloat16


@pytest.mark.parametrize("task", TASKS)
def test_the_figures_of_a_real_face_stay(
    task: str, data_dir: Path, cuda_device: torch.device
) -> None:
    settings = load_settings(task=task, overrides=["run.batch=4", f"run.device={cuda_device}"])
    models = load_models(settings)
    _, crops = next(iter(crops_of(data_dir / "clips" / "pexels-face-10s.mp4", settings, models)))
    assert len(crops)
    costs = precision_costs(crops.data, models)
    assert LEAST_PSNR < costs["generator"].psnr < float("inf")
    assert costs["parser"].most < MOST_MASK
