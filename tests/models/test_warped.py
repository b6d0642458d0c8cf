"""The generator that moves pixels before it paints."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from magdr_video.models.architecture import recognise
from magdr_video.models.checkpoint import assemble
from magdr_video.models.warped import FLOW_SCALE, WarpedGenerator, in_enough_rows, move


def net(condition: int = 17) -> WarpedGenerator:
    torch.manual_seed(0)
    return WarpedGenerator(width=4, blocks=2, condition=condition).eval()


def excited(condition: int = 17) -> WarpedGenerator:
    """A net whose heads are far from the identity."""
    made = net(condition)
    for head in (made.flow, made.brush[-1]):
        torch.nn.init.normal_(head.weight, std=0.3)
    return made


def test_it_starts_close_to_the_identity() -> None:
    images, asked = torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 17)
    assert (net()(images, asked) - images).abs().mean() < 0.02


def test_a_flow_of_one_pixel_fetches_the_pixel_to_the_right() -> None:
    images = torch.rand(1, 3, 32, 32)
    flow = torch.zeros(1, 2, 8, 8)
    flow[:, 0] = 2 / 32
    moved = move(images, flow)
    torch.testing.assert_close(moved[..., :-1], images[..., 1:], atol=1e-4, rtol=0)
    torch.testing.assert_close(moved[..., -1], images[..., -1], atol=1e-4, rtol=0)


def test_the_heads_blend_to_the_output_and_keep_their_ranges() -> None:
    made, images, asked = excited(), torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 17)
    attention, colour = made.heads(images, asked)
    assert attention.shape == (2, 1, 64, 64) and 0 <= attention.min() <= attention.max() <= 1
    assert colour.min() >= -1 and colour.max() <= 1
    wanted = attention * images + (1 - attention) * colour
    torch.testing.assert_close(made(images, asked), wanted)


def test_pixels_that_neither_move_nor_are_painted_stay_the_input() -> None:
    made = net()
    for head in (made.flow, made.bend):
        torch.nn.init.zeros_(head.weight)
    torch.nn.init.zeros_(made.brush[-1].weight)
    made.brush[-1].bias.data[3] = -100
    images = torch.rand(1, 3, 64, 64) * 2 - 1
    torch.testing.assert_close(made(images, torch.rand(1, 17)), images)


def test_the_condition_is_heard_although_it_is_constant_over_the_image() -> None:
    made, images = excited(), torch.rand(1, 3, 64, 64) * 2 - 1
    near, far = made(images, torch.zeros(1, 17)), made(images, torch.ones(1, 17))
    assert (near - far).abs().mean() > 1e-2


@pytest.mark.parametrize("side", [64, 100, 128])
def test_the_output_does_not_depend_on_the_batch(side: int) -> None:
    made, images, asked = excited(), torch.rand(3, 3, side, side) * 2 - 1, torch.rand(3, 17)
    alone = torch.cat([made(images[i : i + 1], asked[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(made(images, asked), alone, rtol=1e-3, atol=1e-4)
    assert made.features(images, asked).shape == (3, 16, side // 4, side // 4)


@pytest.mark.parametrize("rows", [1, 3, 4, 6])
def test_few_rows_are_filled_up_for_the_matrices_and_come_out_alone(rows: int) -> None:
    seen = []

    def double(given: torch.Tensor) -> torch.Tensor:
        seen.append(len(given))
        return given * 2

    given = torch.rand(rows, 5)
    assert torch.equal(in_enough_rows(double, given), given * 2)
    assert seen == [max(rows, 4)]
    assert in_enough_rows(double, given[:0]).shape == (0, 5)


def test_reader_and_film_get_enough_rows_of_a_single_face(monkeypatch: pytest.MonkeyPatch) -> None:
    made, seen = net(), []
    for part in (made.reader, made.blocks[0].film):
        name = "logits" if part is made.reader else "forward"
        call = getattr(part, name)
        monkeypatch.setattr(
            part, name, lambda rows, call=call: (seen.append(len(rows)), call(rows))[1]
        )
    made(torch.rand(1, 3, 64, 64), torch.rand(1, 17))
    assert seen == [4, 4]


@pytest.mark.parametrize(
    ("condition", "claimed", "architecture"),
    [(17, "", "ganimation"), (5, "", "stargan"), (5, "stargan", "stargan")],
)
def test_its_tensors_are_recognised_and_loaded(
    condition: int, claimed: str, architecture: str
) -> None:
    tensors = net(condition).state_dict()
    found = recognise({k: tuple(v.shape) for k, v in tensors.items()}, claimed=claimed)
    assert (found.architecture, found.layout) == (architecture, "warped")
    assert (found.width, found.blocks, found.condition) == (4, 2, condition)
    assert found.attention
    images, asked = torch.rand(1, 3, 64, 64) * 2 - 1, torch.rand(1, condition)
    loaded = assemble(tensors, where="test", claimed=claimed)
    torch.testing.assert_close(loaded(images, asked), net(condition)(images, asked))


def test_a_field_of_motion_moves_in_proportion_to_what_is_asked() -> None:
    made, images = net(), torch.rand(1, 3, 64, 64) * 2 - 1
    for head in (made.flow, made.bend):
        torch.nn.init.zeros_(head.weight)
    made.motion.data[2 * (1 + 4)] = 3.0
    half, whole = (made.painting(images, torch.eye(17)[4:5] * a).flow for a in (0.5, 1.0))
    torch.testing.assert_close(whole[:, 0], torch.full((1, 16, 16), 3.0 * FLOW_SCALE))
    torch.testing.assert_close(half * 2, whole)


def test_gradients_reach_the_input_through_flow_and_paint() -> None:
    images = (torch.rand(1, 3, 64, 64) * 2 - 1).requires_grad_()
    excited()(images, torch.rand(1, 17)).square().mean().backward()
    assert images.grad is not None and np.isfinite(images.grad.numpy()).all()
    assert images.grad.abs().max() > 0
