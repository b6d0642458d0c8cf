from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from magdr_video.faces.alignment import align
from magdr_video.faces.carried import Carried
from magdr_video.faces.pasting import paste, paste_weight
from magdr_video.types import Colour, FaceCrops, FrameBatch
from tests.faces.batches import LAYOUTS, make_batch, make_faces


def placed(batch: FrameBatch, side: float) -> FaceCrops:
    faces = make_faces([0, 2], np.array([[50.0, 48.0], [70.3, 41.7]]), side)
    return align(batch, faces, 32, "ffhq")


def smooth_batch(layout: str) -> FrameBatch:
    """Frames without detail of their own, which pasting takes a little of."""
    batch = make_batch(3, layout=layout, bits=10, colour=Colour(matrix="bt709", full_range=True))
    return replace(batch, planes=tuple(np.full_like(plane, 500) for plane in batch.planes))


def perturbed(crops: FaceCrops) -> torch.Tensor:
    noise = torch.rand(crops.data.shape, generator=torch.Generator().manual_seed(3))
    return crops.data + 0.025 * (noise - 0.5).sign()


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("side", [14, 60])
def test_the_way_is_the_one_that_pasting_and_cutting_take(layout: str, side: float) -> None:
    batch = smooth_batch(layout)
    crops = placed(batch, side)
    weight, changed = paste_weight(crops), perturbed(crops)
    expected = Carried(batch, crops, weight)(changed)
    found = align(paste(batch, crops, changed, weight), crops.faces, crops.size, "ffhq").data
    # Against 10-bit planes: what is left is their rounding.
    change = (changed - crops.data).abs().mean()
    assert (found - expected).abs().mean() < 0.03 * change
    assert (found - crops.data).abs().mean() > 0.1 * change


def test_a_crop_without_a_change_comes_back_as_it_is() -> None:
    batch = make_batch(3)
    crops = placed(batch, 40)
    torch.testing.assert_close(Carried(batch, crops, paste_weight(crops))(crops.data), crops.data)


def test_gradients_pass_to_every_pixel_that_is_pasted() -> None:
    batch = smooth_batch("420")
    crops = placed(batch, 40)
    changed = perturbed(crops).requires_grad_(True)
    weight = paste_weight(crops)
    seen = Carried(batch, crops, weight)(changed)
    (slope,) = torch.autograd.grad((seen - crops.data).square().sum(), changed)
    assert (slope[:, :, 8:-8, 8:-8].abs() > 1e-6).float().mean() > 0.9
