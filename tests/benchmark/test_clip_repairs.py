"""Rows of a protected clip: what they compare, and that every version is cut alike."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from magdr_video.benchmark.clip_cuts import LOSSLESS, cut_clip, first_frames
from magdr_video.benchmark.clip_repairs import (
    WINDOWS,
    Bench,
    Run,
    as_fitted,
    averaged,
    best_single,
    rows_of,
    shared_attack,
)
from magdr_video.benchmark.tables import clip_tables
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.report import report_document
from magdr_video.settings import load_settings
from magdr_video.transforms import apply_chain, parse_chain
from magdr_video.types import RunReport
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import rgb_to_batch
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter
from tests.faces.batches import make_clip
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


def test_the_first_frames_of_a_batch_and_no_more() -> None:
    batch = next(iter(make_clip(8, size=8)))
    cut = first_frames(batch, 3)
    assert len(cut) == 3 and len(first_frames(batch, 20)) == 8
    np.testing.assert_array_equal(cut.planes[0], batch.planes[0][:3])


@pytest.mark.parametrize(("crf", "loss"), [(LOSSLESS, 0.0), (28, 0.5)])
def test_a_clip_is_cut_to_its_first_frames_lossless_or_encoded(
    tmp_path: Path, crf: int, loss: float
) -> None:
    rng = np.random.default_rng(0)
    info = ClipInfo.synthetic(64, 64, 25)
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    rgb = rng.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
    with ClipWriter(source, info, crf=0) as writer:
        writer.write(rgb_to_batch(rgb, info))
    cut_clip(source, target, crf=crf, frames=4)
    with ClipReader(source) as held:
        before = np.concatenate([batch.planes[0] for batch in held])
    with ClipReader(target) as held:
        after = np.concatenate([batch.planes[0] for batch in held])
    assert len(after) == 4
    apart = float(np.abs(after.astype(float) - before[:4]).mean())
    assert apart >= loss and (loss > 0 or apart == 0)


def test_a_run_without_a_verdict_has_its_row_beside_one_with_verdicts() -> None:
    lines = []
    for enabled in ("false", "true"):
        settings = load_settings(task="edit", overrides=[f"detection.enabled={enabled}"])
        report = RunReport(faces=6, faces_perturbed=4, generator_passes=9)
        document = report_document(
            command="defend", source="a", output="b", settings=settings, report=report
        )
        lines.append(Run(torch.tensor([30.0, 32.0]), 1.5, document["run"]).about(enabled))
    clip = {"task": "edit", "clip": "a", "faces": 6, "versions": [_version()], "runs": lines}
    (without, with_verdicts) = clip_tables([clip])[-1].rows
    assert without[3:5] == ("1.500", "-")
    assert with_verdicts[3:5] == ("1.500", "4 of 6")


def _version() -> dict[str, Any]:
    row = {"row": "no defence", "psnr": {"mean": 20.0, "low": 19.0, "high": 21.0, "count": 6}}
    return {"rows": [row], "shared": False, "crf": 0}
