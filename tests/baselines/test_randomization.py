from __future__ import annotations

import torch

from magdr_video.baselines.randomization import Draw, Randomization
from tests.toys import decibels, pictures


def test_a_draw_lies_where_it_says() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    placed = Draw(size=4, full=6, top=2, left=1, mirrored=False).apply(image, 0.0)[0, 0]
    wanted = torch.zeros(6, 6)
    wanted[2:6, 1:5] = torch.tensor([[1.0, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])
    assert torch.equal(placed, wanted)
    mirrored = Draw(size=4, full=6, top=2, left=1, mirrored=True).apply(image, 0.0)[0, 0]
    assert torch.equal(mirrored, wanted.flip(-1))


def test_sizes_at_128_are_those_of_the_paper_in_proportion() -> None:
    draws = Randomization(draws=200).placements(128)
    assert {d.size for d in draws} == set(range(133, 142))
    assert {d.full for d in draws} == {144}
    assert all(0 <= d.top <= 144 - d.size and 0 <= d.left <= 144 - d.size for d in draws)
    assert 60 < sum(d.mirrored for d in draws) < 140


def test_thirty_draws_by_default() -> None:
    assert len(Randomization().placements(128)) == 30


def test_undoing_a_draw_brings_the_picture_back() -> None:
    crops = pictures(2, 128)
    for place in Randomization(draws=8).placements(128):
        back = place.undo(place.apply(crops, 0.5), 128)
        assert decibels(back, crops) > 38, place


def test_with_a_generator_that_does_nothing_the_output_is_the_reconstruction() -> None:
    crops = pictures(2, 64)
    defence = Randomization(draws=3)
    out = defence.translate(lambda images, _: images, crops, torch.zeros(2, 0))
    torch.testing.assert_close(out, defence.reconstruct(crops))


def test_each_draw_goes_through_the_generator() -> None:
    seen: list[tuple[int, ...]] = []

    def generate(images: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape))
        return images

    Randomization(draws=5).translate(generate, pictures(1, 128), torch.zeros(1, 0))
    assert seen == [(1, 3, 144, 144)] * 5
