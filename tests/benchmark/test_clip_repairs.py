"""Rows of a protected clip: what they compare."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from magdr_video.benchmark.clip_cuts import LOSSLESS, ClipPair
from magdr_video.benchmark.clip_repairs import (
    CODEC_ALONE,
    WINDOWS,
    Bench,
    as_fitted,
    averaged,
    best_classical,
    best_single,
    measure_versions,
    rows_of,
    shared_attack,
)
from magdr_video.reconstruction.composer import Chain
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.settings import load_settings
from magdr_video.transforms import apply_chain, parse_chain
from magdr_video.types import TransformChoice
from tests.toys import ToyGenerator, pictures

BLUR, PAIR = parse_chain("gaussian(sigma=0.7)"), parse_chain("median(size=3) > jpeg(quality=75)")
TABLE = RecNetTable("edit", "", Fit(PAIR), Fit(BLUR), ((BLUR[0],),), window=3)


class Translator:
    """A toy generator with the condition that its settings ask for."""

    def __init__(self) -> None:
        self.translate = ToyGenerator()

    def condition(self, values: Any, faces: int) -> Tensor:
        return torch.zeros(faces, 1)


def bench(frames: int = 6) -> Bench:
    clean = pictures(1, 32).expand(frames, -1, -1, -1).contiguous()
    models = SimpleNamespace(translator=Translator(), recnet=TABLE, table=None, condition=(0.0,))
    wanted = models.translator.translate(clean, torch.zeros(frames, 1))
    return Bench(load_settings(task="edit"), models, clean, wanted)  # type: ignore[arg-type]


def noisy(clean: Tensor) -> Tensor:
    draw = torch.Generator().manual_seed(2)
    return (clean + 0.05 * torch.randn(clean.shape, generator=draw)).clamp(0, 1)


def test_on_a_still_clip_longer_averages_are_better_and_steadier() -> None:
    held = bench(12)
    rows = {row["row"]: row for row in rows_of(held, noisy(held.clean), budget=0)}
    values = [rows["no defence"], *(rows[f"average of {window}"] for window in WINDOWS)]
    means = [row["psnr"]["mean"] for row in values]
    assert means == sorted(means) and means[-1] > means[0] + 3
    changes = [row["flicker"] for row in values]
    assert changes == sorted(changes, reverse=True)
    assert all(row["psnr"]["count"] == 12 for row in rows.values())
    assert "search, every frame" not in rows


def test_a_clip_is_repaired_as_fitted_by_the_window_and_the_chain_of_averages() -> None:
    held = bench(6)
    crops = noisy(held.clean)
    expected = apply_chain(averaged(crops, 3), BLUR)
    torch.testing.assert_close(as_fitted(held, crops), expected)
    held.models.recnet = dataclasses.replace(TABLE, window=1, averaged=Fit())  # type: ignore[misc]
    assert torch.equal(as_fitted(held, crops), crops)


def test_the_best_single_transform_is_the_first_of_the_denoisers() -> None:
    assert best_single(TABLE) == BLUR
    assert best_single(RecNetTable("edit", "", Fit(PAIR), Fit(), ())) == PAIR


PURIFY = TransformChoice("purifier")


@pytest.mark.parametrize(
    ("layers", "chain"),
    [(((PURIFY, *PAIR),), PAIR[:1]), ((BLUR, PAIR), BLUR), (((PURIFY,), PAIR), ()), ((), ())],
)
def test_the_best_classical_transform_is_the_first_denoiser_without_learned_weights(
    layers: tuple[Chain, ...], chain: Chain
) -> None:
    assert best_classical(RecNetTable("edit", "", Fit(PAIR), Fit(), layers)) == chain


def test_the_row_of_the_best_classical_transform_stands_before_the_best_of_all() -> None:
    held = bench(3)
    crops = noisy(held.clean)
    held.models.recnet = dataclasses.replace(TABLE, layers=(PAIR,))  # type: ignore[misc]
    rows = rows_of(held, crops, budget=0)
    assert [row["row"] for row in rows[:3]] == [
        "no defence",
        "best classical single transform",
        "best single transform",
    ]
    assert rows[1]["psnr"] == held.row("", apply_chain(crops, PAIR[:1]))["psnr"]
    held.models.recnet = dataclasses.replace(TABLE, layers=())  # type: ignore[misc]
    names = [row["row"] for row in rows_of(held, crops, budget=0)]
    assert "best classical single transform" not in names


class NamedCrops:
    """Crops by the name of a version."""

    def __init__(self, held: dict[str, Tensor]) -> None:
        self.held = held

    def crops(self, clip: Path) -> Tensor:
        return self.held[clip.name]


def test_what_a_codec_leaves_of_the_clean_clip_is_a_row_of_its_versions_alone() -> None:
    held = bench(3)
    encoded = (held.clean + 0.01).clamp(0, 1)
    attacked = noisy(held.clean)
    cuts = NamedCrops({"attacked": attacked, "clean": held.clean, "encoded": encoded})
    pairs = {
        LOSSLESS: ClipPair(Path("clean"), Path("attacked")),
        23: ClipPair(Path("encoded"), Path("attacked")),
    }
    versions = measure_versions(held, cuts, pairs, 0, lambda text: None)  # type: ignore[arg-type]
    assert [(found["crf"], found["shared"]) for found in versions] == [
        (LOSSLESS, False),
        (23, False),
        (None, True),
    ]
    rows = [{row["row"]: row["psnr"] for row in found["rows"]} for found in versions]
    assert [CODEC_ALONE in found for found in rows] == [False, True, False]
    assert rows[1][CODEC_ALONE] == held.row("", encoded)["psnr"]
    assert rows[0]["no defence"] == held.row("", attacked)["psnr"]


def test_an_average_at_the_ends_of_a_clip_takes_the_frames_there_are() -> None:
    held = bench(3)
    crops = noisy(held.clean)
    out = averaged(crops, 9)
    assert out.shape == crops.shape
    assert float((out - held.clean).square().mean()) < float((crops - held.clean).square().mean())


def test_a_shared_perturbation_is_the_same_in_all_frames_and_within_its_bound() -> None:
    held = bench(4)
    change = shared_attack(held, seed=0) - held.clean
    assert 0 < float(change.abs().max()) <= 0.025 + 1e-5
    for other in change[1:]:
        torch.testing.assert_close(other, change[0])
