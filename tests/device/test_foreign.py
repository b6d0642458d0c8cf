"""A user's own generator on a CUDA device, in the forms that are files."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from magdr_video.models.foreign import Declaration
from magdr_video.translation import load_translator

DECLARED = Declaration(task="edit", size=32, alignment="box", conditions=("shade",))


class Shade(nn.Module):
    """Darkens by the condition."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 3, 1, bias=False)
        nn.init.eye_(self.mix.weight.view(3, 3))

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.mix(images) * (1 - condition[:, :1, None, None])
        return out


def saved(form: str, folder: Path) -> Path:
    example = (torch.zeros(2, 3, 32, 32), torch.zeros(2, 1))
    if form == "torchscript":
        path = folder / "shade.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.trace(Shade(), example).save(str(path))
        return path
    path = folder / "shade.pt2"
    faces = torch.export.Dim("faces")
    every = {"images": {0: faces}, "condition": {0: faces}}
    torch.export.save(torch.export.export(Shade(), example, dynamic_shapes=every), str(path))
    return path


@pytest.mark.parametrize("form", ["torchscript", "export"])
def test_a_file_made_on_the_cpu_translates_there(
    form: str, tmp_path: Path, cuda: torch.device
) -> None:
    translator = load_translator(str(saved(form, tmp_path)), cuda, declared=DECLARED)
    crops = torch.rand(3, 3, 32, 32, device=cuda)
    condition = translator.condition([0.25], 3)
    out = translator(crops, condition)
    assert out.device == cuda
    wanted = ((crops * 2 - 1) * 0.75 + 1) / 2
    torch.testing.assert_close(out, wanted, atol=1e-3, rtol=0)
