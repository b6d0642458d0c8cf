"""Rec-Net's pre-training on a toy generator: what it keeps and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video.detection.calibration import load_calibration
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.models import zoo
from magdr_video.reconstruction.composer import chains_of
from magdr_video.settings import TASKS, preset_folder
from magdr_video.training import chain_trials
from magdr_video.training.chain_trials import (
    Ranked,
    Trials,
    best_of_categories,
    chains_among,
    kept,
    settings_of,
)
from magdr_video.training.moving_views import (
    CENTRES,
    FRAMES,
    KINDS,
    Base,
    averaged,
    moving_views,
)
from magdr_video.training.recnet import spread, statistics_hash
from magdr_video.training.recnet_fit import (
    USUAL_MARGIN,
    Fitted,
    Tried,
    best_base,
    candidates_of,
    fit,
    fit_margin,
    region_chains,
    try_chains,
)
from magdr_video.training.recnet_report import agreement, held_out_lines
from magdr_video.training.recnet_search import search, with_margin
from magdr_video.transforms import parse_chain
from tests.toys import ToyGenerator, decibels, halves, pictures, toy_table

BLUR, SHARP = parse_chain("gaussian(sigma=1)"), parse_chain("unsharp(amount=0.4)")
MEDIAN = parse_chain("median(size=3)")


def trials(count: int = 4, *, half: bool = False, noise: float = 0.06) -> Trials:
    """Noisy pictures (or only their left half is noisy) whose clean translation is wanted."""
    clean = pictures(count, 32)
    grain = noise * torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    if half:
        grain[..., 16:] = 0
    generate = ToyGenerator()
    condition = torch.zeros(count, 1)
    return Trials(
        crops=(clean + grain).clamp(0, 1),
        masks=halves(count),
        condition=condition,
        wanted=generate(clean, condition),
        generate=generate,
        detector=PerturbationDetector(generate, toy_table(), decide="union"),
    )


def test_chains_are_sorted_by_what_they_do_for_the_output() -> None:
    tried = try_chains(trials(), [SHARP, (), BLUR])
    assert tried.chains == [BLUR, (), SHARP]
    assert tried.mean(0) > tried.mean(1) > tried.mean(2)
    assert tried.oracle >= tried.mean(0)
    torch.testing.assert_close(tried.of(BLUR), trials().psnr(BLUR))


def test_only_chains_near_the_best_become_candidates() -> None:
    values = torch.tensor([[30.0, 30], [29.5, 29.5], [29.2, 29.2]])
    assert candidates_of(Tried([BLUR, MEDIAN, SHARP], values)) == (BLUR, MEDIAN)


def test_the_best_setting_of_each_category_is_kept() -> None:
    gaussian, median = settings_of("gaussian"), settings_of("median")
    ranked = [Ranked(one, 0, psnr, 0.0) for one, psnr in zip(gaussian, (1, 4, 2, 3), strict=True)]
    ranked += [Ranked(median[0], 0, 5.0, 0.0)]
    assert [one.choice for one in best_of_categories(ranked)] == [median[0], gaussian[1]]


def test_all_pairs_and_triples_of_the_best_are_tried_in_every_order() -> None:
    choices = [parse_chain(text)[0] for text in ("jpeg(quality=75)", "median(size=3)")]
    choices += [BLUR[0], SHARP[0]]
    chains = chains_among(choices, pairs=3, triples=3)
    assert len(chains) == len(set(chains)) == 4 + 3 * 2 + 3 * 2
    assert (choices[1], choices[0]) in chains and (choices[0], choices[1]) in chains
    assert all(len(set(chain)) == len(chain) for chain in chains)


def test_a_region_gets_its_own_chain_only_where_both_halves_of_the_faces_gain() -> None:
    held = trials(half=True, noise=0.02)
    candidates = (parse_chain("gaussian(sigma=1.5)"), SHARP)
    own = region_chains(held, try_chains(held, list(candidates)), candidates)
    # The right half is clean: blurring it can only lose.
    assert own == {"background": ()}
    both = trials()
    assert region_chains(both, try_chains(both, list(candidates)), candidates) == {}


def test_a_search_that_gains_by_its_larger_falls_gets_the_margin_between() -> None:
    lowered = torch.tensor([0.5, 0.6, 3.0, 4.0, 0.4, 5.0])
    gained = torch.tensor([-1.0, -2.0, 1.0, 1.0, -1.0, 1.0])
    margin = fit_margin(lowered, gained)
    assert 0.6 <= margin < 3.0


def test_a_search_that_gains_nothing_may_not_leave_the_default_of_any_face_it_saw() -> None:
    lowered = torch.tensor([0.5, 6.123, 3.0, 4.0])
    assert fit_margin(lowered, torch.tensor([-1.0, -2.0, 0.2, -0.3])) >= 6.123
    # What a single face gained is no reason where the other half loses.
    assert fit_margin(lowered, torch.tensor([0.0, -2.0, 3.0, -0.3])) >= 6.123
    # Faces that were not searched do not say that any gain would do.
    assert fit_margin(torch.zeros(4), torch.zeros(4)) == USUAL_MARGIN


@pytest.mark.usefixtures("_few_layers")
def test_a_search_is_compared_with_the_default_and_loses_nothing_under_its_margin() -> None:
    held = trials()
    done = toy_fit(held)
    free = dataclasses.replace(done.table, margin=0.0)
    found = search(held, free, 12)
    recipes = chains_of(done.table.single.recipes(held.masks.regions))
    torch.testing.assert_close(found.psnr - found.gained, held.composed_psnr(recipes))
    assert found.searches >= len(held) and bool((found.lowered > 0).all())
    # Here the score falls for what the output suffers from.
    assert float(found.gained.mean()) < -1
    kept_back = with_margin(done, held, 12).table
    again = search(held, kept_back, 12)
    assert float(again.gained.min()) == pytest.approx(0, abs=1e-4)


def test_the_window_with_the_best_chain_is_taken() -> None:
    def one(level: float) -> Tried:
        return Tried([()], torch.full((1, 2), level))

    found = {Base(1): one(30.0), Base(3): one(32.0), Base(3, purified=True): one(31.0)}
    assert best_base(found) == Base(3)


def test_agreement_is_one_where_the_lowest_score_has_the_highest_psnr() -> None:
    psnr = torch.tensor([20.0, 25, 30])
    assert agreement(psnr, -psnr) == pytest.approx(1.0)
    assert agreement(psnr, psnr) == pytest.approx(-1.0)


def toy_fit(held: Trials, averaged: Trials | None = None) -> Fitted:
    """A fit on faces that are their own averages, or others."""
    views = averaged or held
    return fit("edit", "0" * 64, held, {Base(1): views, Base(3): views}, lambda _: None)


@pytest.fixture
def _few_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = (("identity", "gaussian"), ("identity", "unsharp"))
    monkeypatch.setattr(chain_trials, "available_layers", lambda: layers)


@pytest.mark.usefixtures("_few_layers")
def test_a_fit_on_a_toy_finds_the_blur_and_writes_what_the_search_may_use() -> None:
    held = trials()
    done = toy_fit(held)
    table = done.table
    assert table.single.default[0].category == "gaussian"
    assert table.single.default not in table.single.candidates
    assert [one.category for one in table.layers[0]] == ["gaussian"]
    # Sharpening noise loses against doing nothing, so the search may not try it.
    assert table.layers[1] == ()
    best = float(held.psnr(table.single.default).mean())
    tried = try_chains(held, done.single.chains)
    assert best == pytest.approx(max(tried.mean(place) for place in range(3)))


@pytest.mark.usefixtures("_few_layers")
def test_where_an_average_left_nothing_to_repair_no_chain_is_the_default() -> None:
    table = toy_fit(trials(), trials(noise=0.0)).table
    assert table.single.default != () and table.averaged.default == ()
    # An average alone can be found by a search where a chain is the default.
    other = toy_fit(trials()).table
    assert other.averaged.default != () and () in other.averaged.candidates


@pytest.mark.usefixtures("_few_layers")
def test_the_table_names_the_motion_purifier_where_its_frames_fitted_best() -> None:
    bare, purified = Base(3), Base(3, purified=True)
    views = {bare: trials(noise=0.03), purified: trials(noise=0.0)}
    table = fit("edit", "0" * 64, trials(), views, lambda _: None).table
    assert table.window == 3 and table.motion_purifier == zoo.find("motion-purifier").sha256
    views = {bare: trials(noise=0.0), purified: trials(noise=0.03)}
    assert fit("edit", "0" * 64, trials(), views, lambda _: None).table.motion_purifier == ""


@pytest.mark.usefixtures("_few_layers")
def test_weaker_settings_than_the_best_are_tried_after_an_average() -> None:
    little = toy_fit(trials(), trials(noise=0.012))
    best = little.table.single.default[0]
    held = [chain[0] for chain in little.averaged[Base(3)].chains if len(chain) == 1]
    assert {one for one in held if one.category == best.category} == set(settings_of("gaussian"))
    assert little.table.averaged.default != little.table.single.default


@pytest.mark.usefixtures("_few_layers")
def test_the_head_shows_every_kind_of_view_without_and_with_the_default() -> None:
    held = trials(8)
    done = toy_fit(held)
    lines = held_out_lines(held, {Base(1): held, Base(3): held}, done, 6)
    (line,) = (line for line in lines if line.startswith("  average of 3 frames: "))
    pairs = [
        part.split(" / ") for part in line.split(": ")[1].removesuffix(" (as fitted)").split(", ")
    ]
    assert len(pairs) == len(KINDS) == 4
    bare = held.psnr(()).reshape(4, 2).mean(1)
    assert [float(pair[0]) for pair in pairs] == pytest.approx(bare.tolist(), abs=0.006)
    assert all(float(after) > float(before) for before, after in pairs)


def test_attacked_faces_are_kept_between_runs_by_all_they_depend_on(tmp_path: Path) -> None:
    made = []

    def make() -> Tensor:
        made.append(1)
        return torch.full((2,), float(len(made)))

    first = kept(tmp_path, "faces", "key 1", make)
    assert torch.equal(kept(tmp_path, "faces", "key 1", make), first)
    assert not torch.equal(kept(tmp_path, "faces", "key 2", make), first)
    kept(None, "faces", "key 1", make)
    assert len(made) == 3


def test_moving_views_show_the_same_face_a_little_elsewhere(tmp_path: Path) -> None:
    picture = (pictures(1, 256)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), picture[..., ::-1])
    views = moving_views(path, 128, 5, seed=1)
    assert views.shape == (5, 3, 128, 128)
    assert torch.equal(views, moving_views(path, 128, 5, seed=1))
    small = torch.from_numpy(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA))
    middle = small.permute(2, 0, 1).float() / 255
    assert decibels(views[2], middle) > 35
    assert all(25 < decibels(view, views[2]) < 60 for view in views[[0, 1, 3, 4]])


def test_every_frame_in_the_middle_of_a_view_has_the_neighbours_of_the_widest_window() -> None:
    view = pictures(1, 64).repeat(FRAMES, 1, 1, 1)
    grain = torch.randn(view.shape, generator=torch.Generator().manual_seed(1))
    noisy = (view + 0.03 * grain).clamp(0, 1)
    gains = []
    for window in (1, 3, 5, 9):
        means = averaged(noisy, window)
        assert len(means) == CENTRES
        gains.append(min(decibels(one, view[0]) for one in means))
    assert gains == sorted(gains) and gains[-1] > gains[0] + 6
    first = (FRAMES - CENTRES) // 2
    torch.testing.assert_close(averaged(noisy, 1), noisy[first : first + CENTRES])


def test_files_are_taken_evenly() -> None:
    files = [Path(str(number)) for number in range(100)]
    assert spread(files, 4) == [Path("0"), Path("25"), Path("50"), Path("75")]
    assert len(spread(files[:3], 10)) == 3


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_table_was_fitted_with_the_statistics_of_the_shipped_calibration(
    task: str,
) -> None:
    folder = preset_folder() / "tables"
    statistics = statistics_hash(load_calibration(folder / f"{task}.toml"))
    head = (folder / f"recnet-{task}.toml").read_text(encoding="utf-8").split("task =")[0]
    assert f"calibration table's statistics, sha256 {statistics}\n" in head


def test_what_a_table_says_of_weights_and_verdicts_is_no_part_of_its_statistics() -> None:
    table = toy_table()
    same = dataclasses.replace(table, purifier="", model="", tau_cons=1.0, least_flags=5)
    assert statistics_hash(same) == statistics_hash(table)
    for change in ({"weight": 2.0}, {"tau_final": 9.0}, {"criteria": ("l1",)}):
        assert statistics_hash(dataclasses.replace(table, **change)) != statistics_hash(table)
