"""The motion purifier's training on a toy generator: clips, views, losses, going on."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from magdr_video.errors import OutputError, SettingsError, UsageError, WeightsError
from magdr_video.training import motion_pool, motion_scores
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.loop import fit
from magdr_video.training.motion_pool import ClipPiece, ClipPool, means, moving_face
from magdr_video.training.motion_purifier import (
    PRESET,
    MotionPurifierRecipe,
    MotionPurifierTraining,
    begun,
    export,
    require_batches,
    train,
)
from magdr_video.training.motion_views import clip_views, still_views
from magdr_video.training.paired import read_recipe
from magdr_video.training.purifier_pool import Pool, to_bytes
from tests.toys import decibels, pictures
from tests.training.test_purifier_training import ToyTranslator, toy_piece

TASKS = ("edit", "reenact", "replace")
RECIPE = MotionPurifierRecipe(
    size=32, window=16, clips=2, stills=1, steps=4, output_from=2, pieces=3, first_pieces=3,
    still_pieces=3,
)  # fmt: skip


@pytest.fixture
def faces(tmp_path: Path) -> OmiFaces:
    folder = tmp_path / "data" / "omi" / "images"
    folder.mkdir(parents=True)
    for number, face in enumerate(to_bytes(pictures(4, 256)).permute(0, 2, 3, 1).numpy()):
        Image.fromarray(face).save(folder / f"{number}.jpg")
    return OmiFaces(tmp_path / "data")


@pytest.fixture
def pool(tmp_path: Path, faces: OmiFaces, monkeypatch: pytest.MonkeyPatch) -> ClipPool:
    monkeypatch.setattr(motion_pool, "KINDS", ("pgd", "shared"))
    monkeypatch.setattr(motion_pool, "FRAMES", 5)
    monkeypatch.setattr(motion_pool, "WINDOWS", (3,))
    translators = [ToyTranslator(task) for task in TASKS]
    return ClipPool(tmp_path / "clips", translators, faces, faces.photos, 32)  # type: ignore[arg-type]


def training(pool: ClipPool, tmp_path: Path) -> MotionPurifierTraining:
    stills = Pool(tmp_path / "stills", pool.translators, pool.faces, pool.names, size=32, count=2)
    return MotionPurifierTraining(RECIPE, pool, stills, replace(pool, seed=5))


def test_a_face_moves_from_frame_to_frame_and_stays_the_same_face() -> None:
    picture = to_bytes(pictures(1, 256))[0].permute(1, 2, 0).numpy()
    frames = moving_face(picture, 64, 6, np.random.default_rng(3)).float() / 255
    assert frames.shape == (6, 3, 64, 64)
    apart = [decibels(one, other) for one, other in itertools.pairwise(frames)]
    assert max(apart) < 60 and min(apart) > 20


def test_averages_of_a_still_face_lose_its_grain() -> None:
    clean = pictures(1, 32).expand(5, -1, -1, -1)
    grain = torch.randn(clean.shape, generator=torch.manual_seed(2)) * 0.03
    noisy = (clean + grain).clamp(0, 1)
    mean = means(noisy, [5] * 5).float() / 255
    assert all(
        decibels(m, c) > decibels(n, c) + 3 for m, n, c in zip(mean, noisy, clean, strict=True)
    )


def test_frames_are_attacked_each_on_its_own_or_all_with_one_perturbation(pool: ClipPool) -> None:
    own, shared = pool.piece(0), pool.piece(3)
    assert pool.kind(0) == "pgd" and pool.kind(3) == "shared"
    for piece, alike in ((own, False), (shared, True)):
        apart = piece.attacked.float() - piece.clean.float()
        assert (apart != 0).any(dim=(1, 2, 3)).all() and apart.abs().max() <= 255 * 0.05 + 1.5
        assert (apart[0] - apart[1]).abs().max() <= 1 or not alike
        assert (piece.condition == piece.condition[0]).all()
        assert not torch.equal(piece.attacked_filmed, piece.attacked)
    assert (
        (own.attacked.float() - own.clean.float())[0]
        .ne((own.attacked.float() - own.clean.float())[1])
        .any()
    )


def test_a_clip_is_made_once_and_another_seed_makes_another(pool: ClipPool) -> None:
    first = pool.piece(1)
    made = pool.path(1).stat().st_mtime_ns
    again = pool.piece(1)
    assert pool.path(1).stat().st_mtime_ns == made
    assert all(torch.equal(getattr(again, name), held) for name, held in vars(first).items())
    assert replace(pool, seed=9).path(1) != pool.path(1)


def toy_clip() -> ClipPiece:
    """Four frames; attacked by 12 levels, 4 of which the average keeps; filmed by 8 and 2."""
    clean = to_bytes(pictures(1, 32) * 0.6 + 0.2).repeat(4, 1, 1, 1)
    return ClipPiece(
        clean=clean,
        attacked=clean + 12,
        attacked_filmed=clean + 8,
        clean_mean=clean,
        attacked_mean=clean + 4,
        attacked_filmed_mean=clean + 2,
        condition=torch.rand(1, 5).expand(4, -1),
    )


def test_views_of_clips_want_the_clean_frame_and_scale_mean_and_frame_alike() -> None:
    kinds = set()
    for seed in range(40):
        views = clip_views(toy_clip(), 2, 16, np.random.default_rng(seed))
        assert views.mean.shape == views.frame.shape == views.wanted.shape == (2, 3, 16, 16)
        for mean, frame, wanted in zip(views.mean, views.frame, views.wanted, strict=True):
            left, whole = float((mean - wanted).mean()) * 255, float((frame - wanted).mean()) * 255
            if whole < 0.1:
                kinds.add("clean")
                assert abs(left) < 0.1
            elif abs(whole - 8) < 0.1 and abs(left - 2) < 0.1:
                kinds.add("filmed")
            else:
                kinds.add("lossless")
                assert left == pytest.approx(whole / 3, abs=1), "8-bit frames"
    assert kinds == {"clean", "filmed", "lossless"}


def test_a_face_alone_is_its_own_average() -> None:
    views = still_views(toy_piece(), 3, 16, np.random.default_rng(0))
    assert torch.equal(views.mean, views.frame) and not torch.equal(views.mean, views.wanted)


def test_a_training_goes_on_where_it_stopped(pool: ClipPool, tmp_path: Path) -> None:
    whole, parts = training(pool, tmp_path), training(pool, tmp_path)
    fit(whole, steps=4, batch=5, folder=tmp_path / "whole", save_every=9, report=lambda _: None)
    for steps in (2, 4):
        fit(parts, steps=steps, batch=5, folder=tmp_path / "p", save_every=2, report=lambda _: None)
        parts = training(pool, tmp_path) if steps == 2 else parts
    for one, other in zip(whole.net.parameters(), parts.net.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_steps_lower_the_loss_and_the_output_joins_in_later(pool: ClipPool, tmp_path: Path) -> None:
    held = training(pool, tmp_path)
    told = [held.step(index) for index in range(3)]
    assert "output" not in told[1] and float(told[2]["output"]) > 0
    before = held.net.enter.weight.detach().clone()
    held.step(3)
    assert not torch.equal(before, held.net.enter.weight)


def test_what_is_exported_is_the_network_and_says_what_it_is(tmp_path: Path) -> None:
    from magdr_video.models import zoo

    net = begun(RECIPE)
    export(net, RECIPE, tmp_path / "out.safetensors")
    record = zoo.find(tmp_path / "out.safetensors")
    assert (record.architecture, record.size) == ("motion-purifier", 32)


def test_another_network_to_begin_with_is_refused() -> None:
    with pytest.raises(WeightsError):
        begun(replace(RECIPE, start="au-estimator"))


@pytest.mark.parametrize("other", [{"width": 32}, {"blocks": 2}])
def test_a_still_purifier_of_another_form_is_refused(other: dict[str, int]) -> None:
    with pytest.raises(WeightsError, match="the recipe width"):
        begun(replace(MotionPurifierRecipe(), **other))


@pytest.mark.parametrize(
    "other",
    [
        {"clips": 0}, {"frames": 0}, {"output_faces": 0}, {"window": 200}, {"pieces": 3},
        {"first_pieces": 3}, {"still_pieces": 0},
    ],
)  # fmt: skip
def test_a_recipe_that_no_batch_can_be_drawn_by_is_refused(other: dict[str, int]) -> None:
    require_batches(MotionPurifierRecipe())
    require_batches(replace(MotionPurifierRecipe(), stills=0, still_pieces=0))
    with pytest.raises(SettingsError, match=next(iter(other))):
        require_batches(replace(MotionPurifierRecipe(), **other))


def test_a_file_in_place_of_a_folder_is_refused_before_anything_is_attacked(
    faces: OmiFaces, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(OutputError, match="--stills"):
        train(MotionPurifierRecipe(), data=faces.root, out=tmp_path / "out", stills=file)


def test_scores_of_no_clips_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["motion_scores", "--data", "nowhere", "--out", "nowhere", "--clips", "0"]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(UsageError, match="--clips 0"):
        motion_scores.main()


def test_the_preset_is_the_recipe_of_the_defaults() -> None:
    assert read_recipe(MotionPurifierRecipe, Path(PRESET)) == MotionPurifierRecipe()
