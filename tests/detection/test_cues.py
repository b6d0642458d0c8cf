"""Cues: what each is there to tell, on pictures where the answer is known."""

from __future__ import annotations

import math

import pytest
import torch

from magdr_video.detection.control import SHIFT, misplaced_copy
from magdr_video.detection.cues import INPUT_CUES, SCORED_CUES, measure_cues
from magdr_video.detection.measurement import Measurement, join, measure
from magdr_video.detection.texture import (
    chroma_noise,
    coarse_share,
    colour_share,
    local_ratio,
)
from magdr_video.transforms import gaussian
from tests.toys import ToyGenerator, halves, pictures, toy_table

TABLE = toy_table()


def measured(crops: torch.Tensor, generate: ToyGenerator | None = None) -> Measurement:
    return measure(
        generate or ToyGenerator(),
        crops,
        halves(len(crops), crops.shape[-1]),
        torch.zeros(len(crops), 1),
        transforms=TABLE.transforms,
        criteria=TABLE.criteria,
    )


def grain(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5))


def test_every_cue_is_a_finite_number_of_each_face_even_where_nothing_changes() -> None:
    held = join([measured(pictures(2, noise=0.05)), measured(torch.full((1, 3, 32, 32), 0.5))])
    cues = measure_cues(held, TABLE)
    assert {*INPUT_CUES, *SCORED_CUES} <= cues.keys()
    for name, values in cues.items():
        assert values.shape == (3,), name
        assert values.isfinite().all(), name


def test_a_face_whose_regions_cannot_be_judged_has_a_margin_of_zero() -> None:
    held = measured(pictures(1))
    held.usable[:] = False
    assert measure_cues(held, TABLE)["margin"].item() == 0


def test_the_control_puts_the_residual_back_whole_but_elsewhere() -> None:
    smoothed = torch.full((1, 3, 48, 48), 0.5)
    crops = smoothed + 0.05 * grain(1, 3, 48, 48)
    copy = misplaced_copy(crops, smoothed)
    torch.testing.assert_close((copy - smoothed).std(), (crops - smoothed).std())
    back = torch.roll(copy, (-SHIFT[0], -SHIFT[1]), dims=(2, 3))
    torch.testing.assert_close(back, crops)


class AimedGenerator(ToyGenerator):
    """Answers to one pattern of its input, and to nothing else."""

    def __init__(self, pattern: torch.Tensor) -> None:
        super().__init__()
        self.pattern = pattern

    def __call__(self, crops: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        inner = (crops * self.pattern).mean(dim=(1, 2, 3), keepdim=True)
        return (0.5 + 20 * inner).expand_as(crops).clamp(0, 1)


def test_noise_that_is_aimed_at_the_generator_has_a_larger_aim_than_noise_that_is_not() -> None:
    pattern, other = grain(2, 3, 48, 48).sign()
    faces = pictures(1, 48)
    crops = torch.cat([faces + 0.02 * pattern, faces + 0.02 * other]).clamp(0, 1)
    cues = measure_cues(measured(crops, AimedGenerator(pattern)), TABLE)
    assert cues["aim"][0] > cues["aim"][1] + 1


def test_noise_alike_in_all_channels_is_not_coloured() -> None:
    grey, coloured = grain(1, 1, 64, 64).expand(-1, 3, -1, -1), grain(1, 3, 64, 64)
    assert colour_share(grey * 0.1).item() < 0.01
    # Three independent channels: sqrt(1 - 1/3) against sqrt(1/3).
    assert colour_share(coloured * 0.1).item() == pytest.approx(math.sqrt(2), rel=0.05)


def test_a_blurred_difference_is_coarser_than_grain() -> None:
    fine = grain(1, 3, 64, 64) * 0.1
    assert coarse_share(gaussian(fine, sigma=4)).item() > 0.7
    assert coarse_share(fine).item() < 0.3


def test_the_local_ratio_finds_a_square_that_moves_more_than_the_rest() -> None:
    moved = torch.full((1, 3, 64, 64), 0.1)
    output = moved.clone()
    output[..., :32, :32] *= 5
    assert local_ratio(output, moved, 0.5).item() == pytest.approx(1.0, rel=0.01)
    assert local_ratio(output, moved, 0.95).item() == pytest.approx(5.0, rel=0.05)


def test_chroma_noise_is_the_deviation_of_each_channel() -> None:
    coloured = 0.5 + 0.02 * grain(2, 3, 128, 128)
    torch.testing.assert_close(chroma_noise(coloured), torch.full((2,), 0.02), atol=1e-3, rtol=0)
    grey = 0.5 + 0.02 * grain(1, 1, 128, 128).expand(-1, 3, -1, -1)
    assert chroma_noise(grey).item() < 1e-3
