"""Many inputs, one report: what fails stops nothing else, and everything is accounted for."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from magdr_video.batch.jobs import Job
from magdr_video.batch.whole import Batch, Entry, run_batch
from magdr_video.errors import Interrupted, MagdrError, OutputError
from tests.batch.works import Gallery, NamedWork, entries, run


def validate(document: dict[str, Any]) -> None:
    for name, value in (("batch", document), *(("report", one) for one in document["runs"])):
        text = resources.files("magdr_video").joinpath(f"{name}.schema.json").read_text("utf-8")
        jsonschema.validate(json.loads(json.dumps(value, allow_nan=False)), json.loads(text))


def ending_of(batch: Batch) -> MagdrError:
    assert batch.ending is not None
    return batch.ending


def test_one_bad_file_does_not_stop_the_rest_and_the_whole_is_9(tmp_path: Path) -> None:
    batch, work, gallery = run(tmp_path, "a", "bad", "c")
    assert [word for _, word in work.notes("clip")] == ["a", "bad", "c"]
    assert len(work.notes("load")) == 1
    assert (gallery.begun, gallery.ended) == ([0, 1, 2], [0, 1, 2])
    assert gallery.ticks == [(0, 50), (2, 50)]
    assert (tmp_path / "c.out").read_text() == "c"
    assert ending_of(batch).exit_code == 9
    assert "1 of 3 inputs failed" in str(batch.ending)
    made = batch.document("defend")
    validate(made)
    assert (made["inputs"], made["done"], made["failed"], made["exit_code"]) == (3, 2, 1, 9)
    assert [one["exit_code"] for one in made["runs"]] == [0, 3, 0]
    assert made["runs"][1]["error"] == {
        "message": f"{tmp_path / 'bad.mp4'} is no film",
        "hint": "name a film",
    }


def test_a_batch_that_is_done_is_0(tmp_path: Path) -> None:
    batch, _, _ = run(tmp_path, "a", "b")
    assert batch.ending is None
    assert batch.document("defend")["exit_code"] == 0


@pytest.mark.parametrize(("names", "code"), [(("bad1", "bad2"), 3), (("bad", "odd"), 1)])
def test_all_that_fail_give_their_common_code_or_1(
    names: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    batch, _, _ = run(tmp_path, *names)
    assert ending_of(batch).exit_code == code


def test_a_single_input_ends_with_its_own_error(tmp_path: Path) -> None:
    batch, _, _ = run(tmp_path, "bad")
    assert ending_of(batch).exit_code == 3
    assert str(batch.ending).endswith("is no film")
    assert ending_of(batch).hint == "name a film"


def test_our_own_mistake_on_one_clip_keeps_its_traceback_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch, _, _ = run(tmp_path, "bug", "b")
    assert [one["exit_code"] for one in batch.documents] == [1, 0]
    assert "ValueError: a mistake of ours" in batch.documents[0]["error"]["message"]
    assert "Traceback" in capsys.readouterr().err
    with pytest.raises(ValueError, match="a mistake of ours"):
        run(tmp_path, "bug")


@pytest.mark.parametrize("jobs", [1, 2])
def test_fail_fast_begins_nothing_more(jobs: int, tmp_path: Path) -> None:
    batch, work, _ = run(tmp_path, "bad", "slow2", "c", "d", jobs=jobs, fail_fast=True)
    begun = {word for _, word in work.notes("clip")}
    assert begun.isdisjoint({"c", "d"})
    assert [job.source.stem for job in batch.left] == ["slow2", "c", "d"]
    assert ending_of(batch).exit_code == 3
    assert "3 left" in str(batch.ending)
    assert not (tmp_path / "slow2.part").exists()


def test_skipped_and_refused_inputs_are_not_begun_but_told(tmp_path: Path) -> None:
    work = NamedWork(tmp_path / "diary")
    held = [
        Entry(Job(tmp_path / "a.mp4", tmp_path / "a.out"), skipped="exists"),
        Entry(Job(tmp_path / "b.mp4", tmp_path / "b.out"), refusal=OutputError("b.out exists")),
        *entries(tmp_path, "c"),
    ]
    batch = run_batch(held, work, Gallery())
    assert [word for _, word in work.notes("clip")] == ["c"]
    made = batch.document("defend")
    validate(made)
    assert [one["reason"] for one in made["skipped"]] == ["exists"]
    assert [(Path(one["input"]).stem, one["exit_code"]) for one in made["runs"]] == [
        ("b", 7),
        ("c", 0),
    ]
    assert made["exit_code"] == 9


def test_only_what_is_whole_is_called_done(tmp_path: Path) -> None:
    done: list[Job] = []
    run(tmp_path, "a", "bad", "c", done=done.append)
    assert [job.source.stem for job in done] == ["a", "c"]


def test_a_signal_ends_the_batch_and_what_was_done_is_still_told(tmp_path: Path) -> None:
    class Stopping(Gallery):
        def begin(self, index: int, total: float | None) -> None:
            if index == 1:
                raise Interrupted("stopped by a signal", signal_number=15)

    batch = run_batch(entries(tmp_path, "a", "b", "c"), NamedWork(tmp_path / "d"), Stopping())
    made = batch.document("defend")
    validate(made)
    assert made["exit_code"] == ending_of(batch).exit_code == 143
    assert [one["exit_code"] for one in made["runs"]] == [0, 143]
    assert [Path(left).stem for left in made["left"]] == ["b", "c"]
