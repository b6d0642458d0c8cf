"""Training of the generators that move pixels before they paint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from magdr_video.errors import WeightsError
from magdr_video.models.au_estimator import AUEstimator
from magdr_video.models.manifest import write_manifest
from magdr_video.models.record import record_of
from magdr_video.models.warped import FLOW_SCALE, WarpedGenerator, move
from magdr_video.training import moving_training
from magdr_video.training.faces_data import draw_view
from magdr_video.training.moving_pairs import PairArrays
from magdr_video.training.moving_training import (
    MovingRecipe,
    MovingTraining,
    export,
    fit_motion,
)
from magdr_video.training.pair_loss import pair_loss, read_error
from magdr_video.training.paired import from_images

TINY = MovingRecipe(size=64, width=4, blocks=1, batch=2, steps=4, motion_pairs=0)


def shifted_pair(rng: np.random.Generator, count: int = 2) -> PairArrays:
    """Noise and the same noise 4 px to the left."""
    sources = rng.integers(0, 255, (count, 64, 64, 3), dtype=np.uint8)
    flow = np.zeros((count, 16, 16, 2), np.float32)
    flow[..., 0] = 4 / 32
    ones = np.ones((count, 17), np.float32)
    return PairArrays(sources, np.roll(sources, -4, axis=2), ones, ones, flow)


def test_the_reader_is_not_corrected_beyond_the_range_nor_where_nothing_is_known() -> None:
    there = torch.tensor([[0.0, 1.0, 0.5, float("nan")]])
    assert read_error(torch.tensor([[-3.0, 2.0, 0.5, 9.0]]), there) == 0
    assert read_error(torch.tensor([[0.2, 1.0, 0.5, 0.0]]), there) == pytest.approx(0.01)


def test_the_mean_fields_of_motion_explain_what_place_and_request_explain() -> None:
    def draw(rng: np.random.Generator) -> PairArrays:
        drawn = shifted_pair(rng, 4)
        asked = rng.random((4, 17)).astype(np.float32)
        flows = np.zeros_like(drawn.flows)
        flows[:, :8, :, 1] = 0.1 * asked[:, 3, None, None]
        return PairArrays(drawn.sources, drawn.targets, asked, 0 * asked, flows)

    net = WarpedGenerator(width=4, blocks=1)
    recipe = MovingRecipe(size=64, width=4, blocks=1, batch=4, motion_pairs=400)
    fields = FLOW_SCALE * fit_motion(net, draw, recipe).reshape(35, 2, 32, 32)
    assert fields[4, 1, :15].mean() == pytest.approx(0.1, rel=0.1)
    fields[4, 1, :17] = 0
    assert fields.abs().max() < 0.01


def training(
    recipe: MovingRecipe = TINY, workers: int = 0, report: Callable[[str], None] = print
) -> MovingTraining:
    def sheet(net: WarpedGenerator) -> np.ndarray:
        return np.zeros((1, 1, 3), np.uint8)

    return MovingTraining(recipe, 17, shifted_pair, sheet, workers=workers, report=report)


def test_a_net_that_moves_rightly_has_less_loss_than_one_that_does_nothing() -> None:
    pairs = shifted_pair(np.random.default_rng(0)).tensors()
    net = WarpedGenerator(width=4, blocks=1)
    for head in (net.flow, net.bend):
        torch.nn.init.zeros_(head.weight)
    idle = pair_loss(net, pairs)
    assert net.flow.bias is not None
    net.flow.bias.data = torch.tensor([4 / 32 / FLOW_SCALE, 0.0])
    right = pair_loss(net, pairs)
    assert right.flow < 0.01 and idle.flow > 3
    assert right.moved < 0.6 * idle.moved
    assert right.total < idle.total


def test_a_view_carries_a_flow_along_with_its_images() -> None:
    rng = np.random.default_rng(1)
    smooth = rng.random((6, 6, 3)).astype(np.float32) * 255
    image = cv2.resize(smooth, (160, 160), interpolation=cv2.INTER_CUBIC).clip(0, 255)
    flow = np.zeros((40, 40, 2), np.float32)
    flow[8:32, 8:32] = (0.05, -0.03)
    flow = cv2.GaussianBlur(flow, (0, 0), 3)
    source = image.astype(np.uint8)
    field = torch.from_numpy(flow[None]).permute(0, 3, 1, 2)
    moved = move(torch.from_numpy(image[None]).permute(0, 3, 1, 2), field)
    target = moved[0].permute(1, 2, 0).numpy().clip(0, 255).astype(np.uint8)
    for seed in range(6):
        view = draw_view(160, 128, np.random.default_rng(seed))
        seen = torch.from_numpy(view.of_flow(flow, 160)[None]).permute(0, 3, 1, 2)
        near, far = (from_images(view.of(held)[None]) for held in (source, target))
        inside = (slice(None), slice(None), slice(24, -24), slice(24, -24))
        wrong = (near - far)[inside].abs().mean()
        assert (move(near, seen) - far)[inside].abs().mean() < 0.25 * wrong


@pytest.mark.parametrize("critic_weight", [0.0, 0.1])
def test_a_resumed_training_takes_the_same_step(critic_weight: float) -> None:
    recipe = dataclasses.replace(TINY, critic_weight=critic_weight, critic_from=0.0)
    whole = training(recipe)
    whole.step(0)
    resumed = training(recipe)
    resumed.load(whole.state())
    one, other = whole.step(1), resumed.step(1)
    assert one.keys() == other.keys() and ("critic" in one) == bool(critic_weight)
    for name, value in one.items():
        assert torch.allclose(value, other[name], rtol=1e-3), name


def test_batches_drawn_ahead_are_those_drawn_in_turn() -> None:
    here, ahead = training(), training(workers=2)
    for index in range(2):
        one, other = here.step(index), ahead.step(index)
        assert all(torch.equal(one[name], other[name]) for name in one)
    ahead.close()


def test_training_brings_the_loss_down() -> None:
    learning = training(dataclasses.replace(TINY, steps=60, rate=1e-2))
    errors = [float(learning.step(index)["flow px"]) for index in range(60)]
    assert np.mean(errors[-5:]) < 0.7 * np.mean(errors[:5])


def test_a_start_from_other_weights_takes_all_but_what_reads_the_condition(tmp_path: Path) -> None:
    torch.manual_seed(9)
    other = WarpedGenerator(width=4, blocks=1, condition=5)
    held = other.state_dict() | {"extra": torch.zeros(3)}
    save_file(held, str(tmp_path / "other.safetensors"))
    told: list[str] = []
    recipe = dataclasses.replace(TINY, start=str(tmp_path / "other.safetensors"))
    begun = training(recipe, report=told.append)
    torch.testing.assert_close(begun.net.stem[0].weight, other.stem[0].weight)
    assert begun.net.blocks[0].film.weight.shape == (32, 34)
    (line,) = told
    own = begun.net.state_dict()
    left = [
        name for name, value in held.items() if name not in own or own[name].shape != value.shape
    ]
    assert f"{len(held) - len(left)} of {len(held)} tensors taken" in line
    assert line.count("another shape") == len(left) - 1 > 0
    assert "motion (another shape)" in line and "extra (not in this network)" in line


def test_weights_that_are_not_as_recorded_are_not_begun_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.safetensors"
    save_file(WarpedGenerator(width=4, blocks=1).state_dict(), str(path))
    write_manifest(tmp_path, only="own")
    recipe = dataclasses.replace(TINY, start=str(path))
    training(recipe)
    held = WarpedGenerator(width=4, blocks=1).state_dict()
    other = {name: value + 1 for name, value in held.items()}
    save_file(other, str(path))
    # A training that is refused leaves no process.
    monkeypatch.setattr(moving_training, "Ahead", pytest.fail)
    with pytest.raises(WeightsError, match="the manifest says"):
        training(recipe)


def test_fields_of_motion_that_do_not_fit_are_fitted_to_the_pairs(tmp_path: Path) -> None:
    save_file(
        WarpedGenerator(width=4, blocks=1, condition=5).state_dict(),
        str(tmp_path / "other.safetensors"),
    )
    recipe = dataclasses.replace(TINY, start=str(tmp_path / "other.safetensors"), motion_pairs=4)
    assert training(recipe).net.motion.abs().max() > 0


@pytest.mark.parametrize(
    ("setting", "other"),
    [("start", AUEstimator(width=4)), ("reader_start", WarpedGenerator(width=4, blocks=1))],
)
def test_a_start_of_which_nothing_fits_is_refused(
    setting: str, other: torch.nn.Module, tmp_path: Path
) -> None:
    path, held = tmp_path / "other.safetensors", other.state_dict()
    save_file(held, str(path))
    with pytest.raises(WeightsError, match=f"{setting} = .*none of its {len(held)} tensors"):
        training(dataclasses.replace(TINY, **{setting: str(path)}))


def test_exported_weights_say_what_they_are(tmp_path: Path) -> None:
    facts = {"name": "x", "architecture": "ganimation", "task": "reenact", "recipe": "none"}
    names = [f"AU{i}" for i in range(17)]
    export(WarpedGenerator(width=4, blocks=1), TINY, facts, names, tmp_path / "x.safetensors")
    record = record_of(tmp_path / "x.safetensors", "x", shipped=False)
    assert (record.architecture, record.layout, record.task) == ("ganimation", "warped", "reenact")
    assert record.conditions == tuple(names) and record.size == 64
