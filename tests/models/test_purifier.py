"""The purifier's network: any size, a guided filter at first, known to the zoo by its tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from magdr_video.models import zoo
from magdr_video.models.purifier import STATISTICS, Purifier, noise_statistics


@pytest.mark.parametrize("size", [(32, 32), (37, 50), (3, 5)])
def test_a_residual_has_the_size_of_its_picture(size: tuple[int, int]) -> None:
    faces = torch.rand(2, 3, *size) * 2 - 1
    assert Purifier(width=4, blocks=1)(faces).shape == faces.shape


def test_before_training_it_takes_out_a_share_of_what_a_guided_filter_does() -> None:
    faces = torch.rand(1, 3, 16, 16).double() * 2 - 1
    residual, _ = Purifier(width=4, blocks=1).double().parts(faces)
    plane = np.pad(faces[0, 0].numpy(), 2, mode="reflect")
    fits = np.zeros((2, 16, 16))
    for y, x in np.ndindex(16, 16):
        window = plane[y : y + 5, x : x + 5]
        slope = window.var() / (window.var() + 0.012)
        fits[:, y, x] = slope, window.mean() * (1 - slope)
    slope, offset = (fit[5:10, 6:11].mean() for fit in fits)
    expected = float(faces[0, 0, 7, 8]) * (1 - slope) - offset
    assert float(residual[0, 0, 7, 8]) == pytest.approx(expected / (1 + np.exp(-1.0)))


def test_the_gate_scales_the_residual_of_each_face() -> None:
    torch.manual_seed(0)
    net = Purifier(width=4, blocks=1)
    torch.nn.init.normal_(net.leave.weight)
    faces = torch.rand(3, 3, 16, 16) * 2 - 1
    residual, logit = net.parts(faces)
    expected = torch.stack([r * torch.sigmoid(g) for r, g in zip(residual, logit, strict=True)])
    torch.testing.assert_close(net(faces), expected)
    torch.nn.init.constant_(net.gate[-1].bias, -100.0)
    assert net(faces).abs().max() < 1e-20


def test_saved_weights_are_known_by_their_tensors_and_load_as_they_were(tmp_path: Path) -> None:
    net = Purifier(width=8, blocks=2)
    torch.nn.init.normal_(net.leave.weight)
    save_file(net.state_dict(), str(tmp_path / "x.safetensors"))
    record = zoo.find(tmp_path / "x.safetensors")
    assert (record.task, record.architecture) == ("purify", "purifier")
    assert record.parameters == sum(p.numel() for p in net.parameters())
    faces = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(zoo.load(record)(faces), net(faces))


def test_the_statistics_tell_signs_from_grain_and_grey_from_colour() -> None:
    draw = torch.Generator().manual_seed(0)
    grain = torch.randn(2, 3, 64, 64, generator=draw) * 0.05
    grain[1] = grain[1, :1]
    signs = torch.randn(1, 3, 64, 64, generator=draw).sign() * 0.05
    found = noise_statistics(torch.cat([grain, signs]))
    assert found.shape == (3, STATISTICS)
    strength, flatness, alike = found[:, 0], found[:, 1], found[:, -2:]
    torch.testing.assert_close(strength, torch.full((3,), np.log(0.05) + 4), atol=0.02, rtol=0)
    expected = torch.tensor([(2 / np.pi) ** 0.5, (2 / np.pi) ** 0.5, 1.0])
    torch.testing.assert_close(flatness, expected, atol=0.01, rtol=0)
    assert alike[0].abs().max() < 0.05
    torch.testing.assert_close(alike[1], torch.ones(2), atol=1e-3, rtol=0)


def test_neighbours_that_are_alike_show_in_the_statistics() -> None:
    rows = torch.randn(1, 3, 64, 1, generator=torch.manual_seed(0)).expand(1, 3, 64, 64)
    found = noise_statistics(rows)[0, 3:8]
    across, down = found[[0, 3]], found[[1, 4]]
    torch.testing.assert_close(across, torch.ones(2), atol=0.05, rtol=0)
    assert down.abs().max() < 0.3
