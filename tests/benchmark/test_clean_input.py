"""What a run does to clean faces of every kind: what is kept, and what is lost where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from magdr_video.benchmark import clean_input
from magdr_video.benchmark.repair_tables import clean_table
from magdr_video.benchmark.scene import Seen
from tests.benchmark.toy_subject import toy_scene


def of(rows: list[dict], kind: str) -> dict:
    return next(row for row in rows if row["kind"] == kind)


def test_every_kind_of_clean_input_is_run_compressed_files_and_frames_included() -> None:
    compressed = {"jpeg 75", *(f"h264 crf {crf}" for crf in (18, 23, 28))}
    framed = {f"in a frame, h264 crf {crf}" for crf in (18, 23, 28)}
    assert {"photograph", "noise", "sharpened"} | compressed | framed <= set(clean_input.KINDS)


@pytest.fixture
def few_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {name: clean_input.KINDS[name] for name in ("photograph", "noise")}
    monkeypatch.setattr(clean_input, "KINDS", kinds)


def first_is_blurred(seen: Seen) -> Tensor:
    out = seen.crops.clone()
    out[0] = seen.crops[0].mean(dim=(1, 2), keepdim=True)
    return out


def test_what_is_not_kept_is_counted_and_its_loss_told(
    tmp_path: Path, few_kinds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_input, "magdr", first_is_blurred)
    rows = clean_input.rows([toy_scene(tmp_path)])
    noisy, photograph, every = (of(rows, kind) for kind in ("noise", "photograph", "all kinds"))
    assert (noisy["faces"], noisy["changed"], every["faces"], every["changed"]) == (2, 1, 4, 2)
    assert noisy["untouched"]["mean"] == 0.5
    assert noisy["loss"]["count"] == 1 and noisy["loss"]["mean"] > 1
    assert photograph["loss"]["count"] == 0, "its undefended translation is the reference"
    assert photograph["moved"]["mean"] < 59
    table = clean_table(rows)
    assert {len(line) for line in table.rows} == {len(table.head)}
    assert table.rows[0][-1] == "-"


def test_faces_that_are_all_kept_lose_nothing_and_the_bound_says_how_few_they_were(
    tmp_path: Path, few_kinds: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_input, "magdr", lambda seen: seen.crops)
    rows = clean_input.rows([toy_scene(tmp_path)])
    every = of(rows, "all kinds")
    assert (every["changed"], every["untouched"]["mean"], every["loss"]["count"]) == (0, 1.0, 0)
    # Of four faces none: the exact bound of the share that is changed is 1 - 0.05 ** (1 / 4).
    assert every["untouched_at_least"] == pytest.approx(0.05**0.25)


def test_the_loss_is_that_against_the_photographs_translation() -> None:
    held = {
        "untouched": torch.tensor([0.0, 1.0]),
        "moved": torch.tensor([30.0, 60.0]),
        "undefended": torch.tensor([35.0, 20.0]),
        "defended": torch.tensor([34.25, 20.0]),
    }
    row = clean_input._row("edit", "noise", held)
    assert (row["loss"]["mean"], row["loss"]["count"], row["moved"]["mean"]) == (0.75, 1, 30.0)
