"""Whole runs of a clip: what they are compared with, and what is said of clean input."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from magdr_video.benchmark import clip_runs
from magdr_video.benchmark.clip_cuts import LOSSLESS, ClipPair, through_codecs
from magdr_video.benchmark.clip_runs import Run, Unharmed, whole_runs
from magdr_video.settings import Settings, load_settings
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter
from tests.benchmark.toy_cuts import toy_clip, toy_cuts

FRAMES = 5
FLAGGED = (2,)
"""Frames of clean clips that the made-up defence takes for perturbed."""


Rows = dict[str, dict[str, Any]]


def report(**counted: Any) -> dict[str, Any]:
    held = {"faces": FRAMES, "generator_passes": FRAMES, "choices": [], "searches": 0}
    return held | {"recipe_hits": 0, "faces_unresolved": 0} | counted


def darken(source: Path, target: Path, frames: tuple[int, ...]) -> None:
    """The clip with its luma lowered in some frames, losslessly."""
    with (
        ClipReader(source) as reader,
        ClipWriter(target, reader.info, crf=LOSSLESS, overwrite=True) as writer,
    ):
        for batch in reader:
            luma = batch.planes[0].copy()
            luma[list(frames)] = (luma[list(frames)] * 0.9).astype(luma.dtype)
            writer.write(dataclasses.replace(batch, planes=(luma, *batch.planes[1:])))


def made_up(flagged: tuple[int, ...]) -> Callable[..., dict[str, Any]]:
    """A pipeline that returns frames as they are, but for those that its defence repairs."""

    def translate(
        source: Path, target: Path, settings: Settings, **rest: Any
    ) -> dict[str, dict[str, Any]]:
        assert settings.output.crf == LOSSLESS
        defended = settings.detection.enabled
        darken(source, target, flagged if defended else ())
        if not defended:
            return {"run": report()}
        cached = settings.reconstruction.cache
        choices: list[dict[str, Any]] = [{}] * (1 if cached else FRAMES)
        passes = FRAMES + len(choices)
        found = len(flagged)
        return {"run": report(choices=choices, generator_passes=passes, faces_perturbed=found)}

    return translate


def rows_of(tmp_path: Path, flagged: tuple[int, ...]) -> Rows:
    pair = ClipPair(
        toy_clip(tmp_path / "clean.mkv", FRAMES),
        toy_clip(tmp_path / "protected.mkv", FRAMES, darker=(0, 1, 2, 3, 4)),
    )
    cuts = toy_cuts(pair.clean)
    pairs = through_codecs(pair, (28,), tmp_path)
    settings = load_settings(task="edit")
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_runs, "translate_clip", made_up(flagged))
        rows = whole_runs(settings, cuts.models, cuts, pairs, tmp_path, said.append)
    assert len(said) == len(rows)
    return {row["run"]: row for row in rows}


@pytest.fixture(scope="module")
def unflagged(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return rows_of(tmp_path_factory.mktemp("unflagged"), ())


@pytest.fixture(scope="module")
def flagged(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    return rows_of(tmp_path_factory.mktemp("flagged"), FLAGGED)


def test_clean_faces_that_are_not_repaired_are_counted_as_bit_identical(
    unflagged: Rows,
) -> None:
    rows = unflagged
    for name in ("clean clip, lossless", "clean clip, crf 28"):
        assert (rows[name]["identical"], rows[name]["compared"]) == (FRAMES, FRAMES)
        assert rows[name]["changed_by"] is None
        assert rows[name]["changed_psnr"] is None and rows[name]["changed_lost"] is None
    assert rows["clean clip, lossless"]["psnr"]["mean"] == 60
    assert rows["clean clip, crf 28"]["psnr"]["mean"] < 50


def test_clean_faces_that_are_repaired_are_compared_with_the_undefended_run_of_their_file(
    flagged: Rows,
) -> None:
    rows = flagged
    lossless, encoded = rows["clean clip, lossless"], rows["clean clip, crf 28"]
    for row in (lossless, encoded):
        assert row["identical"] == FRAMES - len(FLAGGED) and row["faces_perturbed"] == 1
        assert row["changed_psnr"]["count"] == len(FLAGGED)
        assert 15 < row["changed_psnr"]["mean"] < 35
    assert lossless["changed_lost"] is None
    assert encoded["changed_lost"]["count"] == 1 and encoded["changed_lost"]["mean"] > 0


def test_the_runs_of_the_protected_clip_are_compared_with_the_clean_one(
    unflagged: Rows,
) -> None:
    rows = unflagged
    assert list(rows) == [
        "clean clip, lossless",
        "clean clip, crf 28",
        "undefended",
        "defended",
        "defended, no cache",
    ]
    assert "identical" not in rows["defended"]
    assert rows["undefended"]["psnr"]["mean"] < 30
    assert rows["undefended"]["faces_perturbed"] is None
    assert rows["undefended"]["passes a face"] == 1
    assert rows["defended, no cache"]["passes a face"] == 2


def test_what_the_cache_saves_and_costs_stands_in_the_row_of_the_defended_run(
    unflagged: Rows,
) -> None:
    rows = unflagged
    assert rows["defended"]["choices_saved"] == pytest.approx(1 - 1 / FRAMES)
    assert rows["defended"]["behind_no_cache"]["mean"] == 0
    assert "choices_saved" not in rows["defended, no cache"]


def test_the_loss_of_the_cache_is_paired_frame_by_frame() -> None:
    def run(psnr: list[float], choices: int) -> Run:
        return Run(torch.tensor(psnr), 1.0, report(choices=[{}] * choices))

    cached, every = run([30.0, 20.0, 10.0], 1), run([30.5, 20.5, 10.5], 3)
    found = cached.beside(every)
    assert found["choices_saved"] == pytest.approx(2 / 3)
    lost = found["behind_no_cache"]
    assert (lost["mean"], lost["low"], lost["high"]) == pytest.approx((0.5, 0.5, 0.5))
    nothing = cached.beside(run([30.0, 20.0, 10.0], 0))
    assert nothing["choices_saved"] is None


def test_means_over_changed_faces_leave_out_the_others() -> None:
    apart = torch.tensor([0, 1, 7])
    held = Unharmed(apart, torch.tensor([60.0, 30.0, 40.0]), torch.tensor([0.0, 1.0, 3.0])).about()
    assert (held["identical"], held["compared"]) == (1, 3)
    assert held["changed_by"] == 7
    assert held["changed_psnr"]["mean"] == 35 and held["changed_lost"]["mean"] == 2
