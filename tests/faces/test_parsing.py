from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from magdr_video.faces.parsing import parse


class ColourParser(nn.Module):
    """Skin where red, hair where dark; records what it was given."""

    def __init__(self, classes: int = 19, maps: int = 3) -> None:
        super().__init__()
        self.classes, self.maps = classes, maps
        self.given: list[tuple[int, ...]] = []
        self.mean = 0.0

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        self.given.append(tuple(x.shape))
        self.mean = float(x.mean())
        logits = torch.zeros(x.shape[0], self.classes, *x.shape[-2:])
        logits[:, 1] = 5 * x[:, 0]
        if self.maps == 1:
            return logits
        return (logits, *(-logits for _ in range(self.maps - 1)))


@pytest.mark.parametrize(("side", "size"), [(48, 32), (32, 64), (32, 32)])
@pytest.mark.parametrize("maps", [1, 3])
def test_probabilities_sum_to_one_at_the_crops_size(side: int, size: int, maps: int) -> None:
    parser = ColourParser(maps=maps)
    found = parse(torch.rand(3, 3, side, side), parser, size, chunk=2)
    assert found.shape == (3, 19, side, side)
    torch.testing.assert_close(found.sum(1), torch.ones(3, side, side), atol=1e-5, rtol=0)
    assert parser.given == [(2, 3, size, size), (1, 3, size, size)]


def test_the_first_map_counts_and_follows_the_picture() -> None:
    crops = torch.zeros(1, 3, 32, 32)
    crops[:, 0, :, 16:] = 1
    skin = parse(crops, ColourParser(), 32)[0, 1]
    assert float(skin[:, 20:].min()) > 0.9
    assert float(skin[:, :12].max()) < 0.1


def test_the_input_is_normalised_by_the_statistics_of_imagenet() -> None:
    parser = ColourParser()
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    parse(mean.expand(1, 3, 32, 32).contiguous(), parser, 32)
    assert abs(parser.mean) < 1e-4


def test_faint_noise_barely_moves_the_masks() -> None:
    """The parser sees a denoised copy: noise of the size of a perturbation is mostly gone."""
    torch.manual_seed(0)
    crops = torch.full((1, 3, 64, 64), 0.5)
    noisy = crops + 0.025 * torch.sign(torch.randn_like(crops))
    parser = ColourParser()
    moved = (parse(noisy, parser, 64) - parse(crops, parser, 64)).abs().max()
    assert float(moved) < 0.1


def test_no_face_needs_no_parser_pass() -> None:
    parser = ColourParser()
    assert parse(torch.zeros(0, 3, 32, 32), parser, 64).shape == (0, 19, 32, 32)
    assert parser.given == []


def test_a_parser_of_other_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="11 classes"):
        parse(torch.rand(1, 3, 32, 32), ColourParser(classes=11), 32)
