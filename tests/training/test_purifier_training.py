"""The purifier's training on a toy generator: pool, views, losses, and going on after a stop."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from magdr_video.errors import WeightsError
from magdr_video.models.conditions import ACTION_UNITS, ATTRIBUTES
from magdr_video.training import purifier_pool
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.loop import fit
from magdr_video.training.paired import read_recipe
from magdr_video.training.purifier import (
    PRESET,
    PurifierRecipe,
    PurifierTraining,
    charbonnier,
    export,
    output_loss,
    train,
)
from magdr_video.training.purifier_pool import Piece, Pool, draw_conditions, fill, to_bytes
from magdr_video.training.purifier_scores import auroc
from magdr_video.training.purifier_views import draw_views
from magdr_video.training.running import run_steps
from tests.toys import ToyGenerator, pictures

CONDITIONS = {"edit": ATTRIBUTES, "reenact": ACTION_UNITS, "replace": ()}


@dataclass
class ToyTranslator:
    """A toy generator with the facts that the training asks for."""

    task: str = "edit"
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - a frozen value

    def __post_init__(self) -> None:
        self.record = SimpleNamespace(
            task=self.task, conditions=CONDITIONS[self.task], sha256="0123456789abcdef"
        )
        self._toy = ToyGenerator()

    def to(self, device: torch.device | str) -> ToyTranslator:
        return self

    def translate(self, faces: Tensor, condition: Tensor) -> Tensor:
        level = condition.mean(dim=1, keepdim=True) if condition.shape[1] else faces[:, 0, :1, 0]
        return self._toy(faces, level)


def toy_piece(size: int = 32) -> Piece:
    """Four faces with a sign pattern of 6 levels; the filmed ones are two levels brighter."""
    clean = to_bytes(pictures(4, size) * 0.8 + 0.1)
    signs = torch.randint(0, 2, clean.shape, generator=torch.manual_seed(3)) * 12 - 6
    attacked = (clean.int() + signs).byte()
    return Piece(clean, attacked, clean + 2, attacked + 2, torch.rand(4, 5))


class ToyPool:
    """One piece for every number."""

    translators = (ToyTranslator(),)

    def piece(self, number: int) -> Piece:
        return toy_piece()

    def translator(self, number: int) -> ToyTranslator:
        return self.translators[0]


RECIPE = PurifierRecipe(
    size=32, window=16, width=4, blocks=1, batch=5, steps=4, output_from=2, output_faces=2
)


@pytest.fixture
def faces(tmp_path: Path) -> OmiFaces:
    folder = tmp_path / "data" / "omi" / "images"
    folder.mkdir(parents=True)
    for number, face in enumerate(to_bytes(pictures(4, 256)).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(face).save(folder / f"{number}.jpg")
    return OmiFaces(tmp_path / "data")


@pytest.fixture
def pool(tmp_path: Path, faces: OmiFaces) -> Pool:
    translators = [ToyTranslator(task) for task in CONDITIONS]
    return Pool(tmp_path / "pool", translators, faces, faces.photos, size=32, count=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [0, 1, 2, 6, 12])
def test_a_piece_holds_bounded_attacks_that_break_the_translation(pool: Pool, number: int) -> None:
    piece = pool.piece(number)
    translator = pool.translator(number)
    clean, attacked = piece.clean.float() / 255, piece.attacked.float() / 255
    apart = (attacked - clean).abs().flatten(1).max(dim=1).values
    assert (apart <= 0.05 + 1e-6).all(), "0.1 in [-1, 1] is the largest epsilon"
    assert (apart > 0).all()
    noise = (attacked - clean).flatten(1)[:, torch.randperm(3 * 32 * 32)].reshape(clean.shape)
    reached, by_chance = (
        (translator.translate(x, piece.condition) - translator.translate(clean, piece.condition))
        .square()
        .mean()
        for x in (attacked, (clean + noise).clamp(0, 1))
    )
    nullified = translator.record.task == "replace" and number < 3
    assert nullified or reached > by_chance
    assert piece.clean_filmed.shape == piece.clean.shape
    assert not torch.equal(piece.clean_filmed, piece.clean)


def test_a_piece_is_made_once_and_alike_again(pool: Pool, tmp_path: Path) -> None:
    first = pool.piece(1)
    assert re.fullmatch("00001-0123456789ab-[0-9a-f]{8}.pt", pool.path(1).name)
    made = pool.path(1).stat().st_mtime_ns
    with torch.no_grad():
        again, other = pool.piece(1), replace(pool, folder=tmp_path / "other").piece(1)
    assert pool.path(1).stat().st_mtime_ns == made
    for name, value in vars(first).items():
        assert torch.equal(getattr(again, name), value)
        assert torch.equal(getattr(other, name), value), name
    assert not torch.equal(pool.piece(4).clean, first.clean)


@pytest.mark.parametrize("other", [{"seed": 5}, {"size": 64}, {"count": 2}], ids=str)
def test_a_pool_that_is_asked_otherwise_makes_pieces_of_its_own(
    pool: Pool, other: dict[str, Any]
) -> None:
    assert replace(pool, **other).path(1) != pool.path(1)


def test_other_faces_attacks_and_generators_make_other_pieces(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pool.path(1)
    assert replace(pool, names=pool.names[1:]).path(1) != before
    # Alone, the third generator attacks with its third kind by now.
    assert replace(pool, translators=pool.translators[2:]).path(2) != pool.path(2)
    monkeypatch.setattr(purifier_pool, "KINDS", ("cw", *purifier_pool.KINDS[1:]))
    assert pool.path(1) != before


def test_pieces_that_other_processes_make_are_those_made_here(pool: Pool, tmp_path: Path) -> None:
    apart, said = replace(pool, folder=tmp_path / "apart"), []
    fill(apart, 2, said.append, workers=1)
    assert said == ["piece 1 of 2", "piece 2 of 2"]
    for number in range(2):
        for name, value in vars(pool.piece(number)).items():
            assert torch.equal(getattr(apart.piece(number), name), value), name


@pytest.mark.parametrize("task", CONDITIONS)
def test_conditions_are_those_that_users_can_ask_for(task: str) -> None:
    drawn = draw_conditions(ToyTranslator(task), 6, np.random.default_rng(0))  # type: ignore[arg-type]
    assert drawn.shape == (6, len(CONDITIONS[task]))


def test_edits_ask_for_hair_and_more_or_for_one_attribute_alone() -> None:
    drawn = draw_conditions(ToyTranslator("edit"), 300, np.random.default_rng(0))  # type: ignore[arg-type]
    hair, others = (drawn[:, :3] == 1).sum(dim=1), (drawn[:, 3:] != 0.5).sum(dim=1)
    assert set(hair.tolist()) == {0, 1}, "never two hair colours"
    assert (others[hair == 0] == 1).all(), "gender or age alone"
    assert set(others[hair == 1].tolist()) == {0, 1, 2}
    # Half of the time one of seven attributes, three of them hair; else hair: five in seven.
    assert 0.63 < hair.float().mean() < 0.80


def test_views_are_windows_of_pairs_and_clean_ones_are_to_stay_as_they_are() -> None:
    views = draw_views(toy_piece(), 10, 16, np.random.default_rng(1))
    assert views.given.shape == views.wanted.shape == (10, 3, 16, 16)
    assert views.attacked.tolist() == [1.0] * 6 + [0.0] * 4
    apart = (views.given - views.wanted).abs().flatten(1).mean(dim=1)
    assert (apart[6:] == 0).all()
    # Half to 1.6 times 6 levels, less what a JPEG takes of it; windows that did not match would
    # differ by the picture.
    assert (apart[:6] > 1 / 255).all() and (apart[:6] < 11 / 255).all()
    assert views.given.min() >= 0 and views.given.max() <= 1


def test_the_image_loss_is_a_square_for_small_errors_and_a_line_for_large_ones() -> None:
    error = torch.tensor([0.0, 0.0005, 5.0])[:, None]
    got = charbonnier(error)
    torch.testing.assert_close(got, torch.tensor([0.0, 0.5 * 0.01**2, 100.0]), rtol=0.02, atol=1e-7)


def test_the_output_loss_is_zero_for_the_clean_face_and_reaches_the_purified_one() -> None:
    translator, condition = ToyTranslator(), torch.zeros(2, 5)
    clean = pictures(2)
    assert float(output_loss(translator, clean * 2 - 1, clean, condition)) < 1e-5  # type: ignore[arg-type]
    purified = (clean * 2 - 1 + 0.05).requires_grad_(True)
    (gradient,) = torch.autograd.grad(
        output_loss(translator, purified, clean, condition),  # type: ignore[arg-type]
        purified,
    )
    assert gradient.abs().sum() > 0


def trained(folder: Path, steps: int, workers: int = 0) -> PurifierTraining:
    training = PurifierTraining(RECIPE, ToyPool(), ToyPool(), workers=workers)  # type: ignore[arg-type]
    fit(training, steps=steps, batch=5, folder=folder, report_every=100)
    return training


def test_a_training_that_stopped_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    straight = trained(tmp_path / "straight", 4)
    trained(tmp_path / "stopped", 2)
    resumed = trained(tmp_path / "stopped", 4)
    for name in ("net", "average"):
        for one, other in zip(
            straight.state()[name].values(), resumed.state()[name].values(), strict=True
        ):
            assert torch.equal(one, other)


def test_views_that_another_process_draws_train_the_same_net(tmp_path: Path) -> None:
    here, ahead = (trained(tmp_path / str(count), 3, count) for count in (0, 1))
    for one, other in zip(here.state()["net"].values(), ahead.state()["net"].values(), strict=True):
        assert torch.equal(one, other)


def test_training_learns_to_take_out_a_sign_pattern(tmp_path: Path) -> None:
    recipe = replace(RECIPE, width=8, steps=70, output_from=1000, rate=1e-2)
    training = PurifierTraining(recipe, ToyPool(), ToyPool())  # type: ignore[arg-type]
    losses = [training.step(index) for index in range(70)]
    assert np.mean([loss["left"] for loss in losses[-20:]]) < 0.8 * losses[0]["left"]


def test_a_training_begins_with_the_weights_that_it_is_given(tmp_path: Path) -> None:
    first = trained(tmp_path, 2)
    export(first.net, RECIPE, tmp_path / "x.safetensors")
    recipe = replace(RECIPE, start=str(tmp_path / "x.safetensors"))
    second = PurifierTraining(recipe, ToyPool(), ToyPool())  # type: ignore[arg-type]
    for net in (second.net, second.average):
        for one, other in zip(first.net.parameters(), net.parameters(), strict=True):
            assert torch.allclose(one, other, atol=1e-3)


def test_wrong_weights_to_begin_with_are_refused_before_any_attack(tmp_path: Path) -> None:
    # A folder without faces would be refused next.
    recipe = replace(RECIPE, start="bisenet-compact")
    with pytest.raises(WeightsError, match="'bisenet-compact' is a BiSeNet, not a Purifier"):
        train(recipe, data=tmp_path, out=tmp_path, device="cpu", workers=1)
    assert list(tmp_path.iterdir()) == []


def test_whoever_draws_for_a_training_is_let_go_of(tmp_path: Path) -> None:
    training = PurifierTraining(RECIPE, ToyPool(), ToyPool(), workers=1)  # type: ignore[arg-type]
    run_steps(training, steps=1, batch=5, folder=tmp_path)
    with pytest.raises(RuntimeError, match="after shutdown"):
        training.step(100)


def test_the_sheet_shows_four_rows_of_held_out_faces() -> None:
    training = PurifierTraining(RECIPE, ToyPool(), ToyPool())  # type: ignore[arg-type]
    assert training.sheet().shape == (4 * 32, 4 * 32, 3)


def test_the_recipe_on_file_is_that_of_the_code() -> None:
    given = read_recipe(PurifierRecipe, Path(__file__).parents[2] / PRESET)
    assert given == PurifierRecipe()


@pytest.mark.parametrize(
    ("high", "low", "expected"),
    [([3.0, 4.0], [1.0, 2.0], 1.0), ([1.0], [1.0], 0.5), ([1.0, 3.0], [2.0, 2.0], 0.5)],
)
def test_the_area_under_the_curve_counts_pairs(
    high: list[float], low: list[float], expected: float
) -> None:
    assert auroc(torch.tensor(high), torch.tensor(low)) == expected
