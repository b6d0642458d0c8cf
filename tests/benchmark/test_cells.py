"""Finished cells are kept, found again, and made anew when what made them changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from magdr_video.benchmark import cells
from magdr_video.benchmark.cells import (
    Cell,
    CellStore,
    Pace,
    meaning_of,
    source_hash,
    weight_of,
    work_off,
)
from magdr_video.errors import OutputError


class Work:
    """Counts how often a cell is computed."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self) -> dict[str, Tensor]:
        self.runs += 1
        return {"value": torch.tensor([float(self.runs)])}


def cell(work: Work, *, seed: int = 0, name: str = "cell") -> Cell:
    return Cell(name, {"seed": seed, "settings": {"epsilon": 0.05}}, 1.0, work)


def test_a_finished_cell_is_found_by_another_run(tmp_path: Path) -> None:
    work = Work()
    first = CellStore(tmp_path).get(cell(work))
    again = CellStore(tmp_path).get(cell(work))
    assert work.runs == 1
    assert torch.equal(first["value"], again["value"])


def test_a_changed_parameter_makes_the_cell_anew(tmp_path: Path) -> None:
    work, store = Work(), CellStore(tmp_path)
    store.get(cell(work))
    store.get(cell(work, seed=1))
    assert work.runs == 2


def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    work = Work()

    def interrupted() -> dict[str, Tensor]:
        raise KeyboardInterrupt

    broken = [cell(work, seed=0), Cell("broken", {}, 1.0, interrupted)]
    with pytest.raises(KeyboardInterrupt):
        work_off(broken, CellStore(tmp_path), lambda text: None)
    whole = [cell(work, seed=0), cell(work, seed=1)]
    work_off(whole, CellStore(tmp_path), lambda text: None)
    assert work.runs == 2
    assert not list(tmp_path.glob("*.part"))


def test_progress_names_the_cell_and_the_time_left(tmp_path: Path) -> None:
    said: list[str] = []
    store = CellStore(tmp_path)
    store.get(cell(Work(), seed=0))
    work_off([cell(Work(), seed=0), cell(Work(), seed=1, name="search")], store, said.append)
    assert len(said) == 1
    assert said[0].startswith("2 of 2: search; 0.0 s, 0 s left")


def test_the_time_left_is_that_of_the_whole_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, said, now = CellStore(tmp_path), [], [100.0]
    monkeypatch.setattr(cells.time, "monotonic", lambda: now[0])

    def slow() -> dict[str, Tensor]:
        now[0] += 10
        return {"value": torch.zeros(1)}

    first, second, later = (Cell(name, {}, 2.0, slow) for name in ("a", "b", "c"))
    pace = Pace(weight_of([first, second, later, later], store), began=now[0])
    work_off([first], store, said.append, pace)
    work_off([second], store, said.append, pace)
    assert [text.rpartition("; ")[2] for text in said] == ["10.0 s, 20 s left", "10.0 s, 10 s left"]


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError):
        CellStore(blocked / "cells")


def test_the_source_of_a_room_and_of_a_module_has_a_hash_of_its_own() -> None:
    hashes = {source_hash((room,)) for room in ("detection", "criteria", "benchmark/cells")}
    assert len(hashes) == 3
    assert source_hash(("detection", "criteria")) == source_hash(("criteria", "detection"))


def test_words_and_layout_do_not_count_as_a_change_but_numbers_do() -> None:
    plain = 'def f(x):\n    """Twice."""\n    return 2 * x\n'
    reworded = "def f(x):\n    # more\n    'Two times.'\n    return (2 * x)\n"
    assert meaning_of(plain) == meaning_of(reworded)
    assert meaning_of(plain) != meaning_of(plain.replace("2", "3"))
