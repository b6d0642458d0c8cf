"""The motion purifier's network: a still purifier of averages before it is trained."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from magdr_video.models import zoo
from magdr_video.models.motion_purifier import MotionPurifier
from magdr_video.models.purifier import Purifier


def still() -> Purifier:
    torch.manual_seed(0)
    net = Purifier(width=4, blocks=1)
    torch.nn.init.normal_(net.leave.weight, std=0.1)
    return net


def begun() -> MotionPurifier:
    net = MotionPurifier(width=4, blocks=1)
    net.begin_as(still())
    return net


@pytest.mark.parametrize("size", [(32, 32), (37, 50), (3, 5)])
def test_a_repaired_frame_has_the_size_of_its_picture(size: tuple[int, int]) -> None:
    mean, frame = torch.rand(2, 2, 3, *size) * 2 - 1
    assert begun()(mean, frame).shape == mean.shape


def test_it_begins_as_the_still_purifier_where_a_frame_is_its_own_average() -> None:
    faces = torch.rand(2, 3, 16, 16) * 2 - 1
    torch.testing.assert_close(begun()(faces, faces), faces - still().parts(faces)[0])


def test_it_begins_as_the_still_purifier_of_the_average_with_a_little_of_the_frame() -> None:
    mean, frame = torch.rand(2, 2, 3, 16, 16) * 2 - 1
    share = torch.sigmoid(torch.tensor(-3.0))
    expected = mean - still().parts(mean)[0] + share * (frame - mean)
    torch.testing.assert_close(begun()(mean, frame), expected)


def test_what_it_learns_may_depend_on_how_the_frame_differs() -> None:
    net = begun()
    mean, frame = torch.rand(2, 2, 3, 16, 16) * 2 - 1
    (net(mean, frame) - frame).square().mean().backward()  # type: ignore[no-untyped-call]
    grown = net.enter.weight.grad
    assert grown is not None and (grown[:, 12:] != 0).any()


def test_saved_weights_are_known_by_their_tensors_and_load_as_they_were(tmp_path: Path) -> None:
    net = MotionPurifier(width=8, blocks=2)
    torch.nn.init.normal_(net.leave.weight)
    save_file(net.state_dict(), str(tmp_path / "x.safetensors"))
    record = zoo.find(tmp_path / "x.safetensors")
    assert (record.task, record.architecture) == ("purify", "motion-purifier")
    mean, frame = torch.rand(2, 1, 3, 16, 16)
    torch.testing.assert_close(zoo.load(record)(mean, frame), net(mean, frame))
