"""Super-resolution by the user's weights: what it does, and what it says without them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.errors import WeightsError
from magdr_video.transforms.super_resolution import reduce_by_area, super_resolution
from tests.toys import pictures


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MAGDR_WEIGHTS", str(tmp_path))
    return tmp_path


def doubled(images: Tensor) -> Tensor:
    return F.interpolate(images, scale_factor=2, mode="nearest")


def test_each_pixel_is_the_mean_of_those_that_come_out_for_it() -> None:
    image = pictures(2, 16)
    torch.testing.assert_close(reduce_by_area(image, doubled), image)
    brighter = reduce_by_area(image, lambda one: doubled(one) + 0.05)
    torch.testing.assert_close(brighter, image + 0.05)
    assert reduce_by_area(image[:0], doubled).shape == (0, 3, 16, 16)


def test_without_weights_it_says_where_to_put_them(own: Path) -> None:
    with pytest.raises(WeightsError, match="super_resolution has no weights") as raised:
        super_resolution(pictures(1))
    assert str(own / "super-resolution.pth") in raised.value.hint


def test_a_damaged_file_is_one_line(own: Path) -> None:
    pytest.importorskip("spandrel")
    (own / "super-resolution.pth").write_bytes(b"no weights")
    with pytest.raises(WeightsError, match="cannot be read as super-resolution weights"):
        super_resolution(pictures(1))


def test_a_network_that_spandrel_knows_is_used(own: Path) -> None:
    compact = pytest.importorskip("spandrel.architectures.Compact.__arch.SRVGG")
    network = compact.SRVGGNetCompact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2)
    torch.nn.init.zeros_(network.body[-1].weight)
    torch.nn.init.zeros_(network.body[-1].bias)
    torch.save(network.state_dict(), own / "super-resolution.pth")
    image = pictures(2, 16)
    # With its last layer at zero this network is nearest-neighbour enlargement.
    torch.testing.assert_close(super_resolution(image), image)
