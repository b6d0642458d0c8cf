"""Marks in the container's tags, sums of files, and records that are whole or absent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from magdr_video import __version__
from magdr_video.errors import OutputError, PolicyError
from magdr_video.provenance import (
    LIBRARIES,
    MARK_KEY,
    SOURCE_TYPE,
    library_versions,
    output_metadata,
    read_marks,
    record_path,
    sha256_of,
    write_json,
)


def test_marks_name_tool_version_task_and_source_type() -> None:
    tags = output_metadata("edit", "auto", {})
    assert tags[MARK_KEY] == SOURCE_TYPE
    assert SOURCE_TYPE.endswith("/compositeWithTrainedAlgorithmicMedia")
    for word in ("AI-modified", "magdr-video", __version__, "task: edit", SOURCE_TYPE):
        assert word in tags["comment"]


def test_a_comment_of_the_source_is_kept() -> None:
    tags = output_metadata("edit", "auto", {"comment": "filmed by A. B.", "title": "x"})
    assert "AI-modified" in tags["comment"]
    assert "filmed by A. B." in tags["comment"]


def test_marking_twice_does_not_grow_the_comment() -> None:
    once = output_metadata("edit", "auto", {})
    assert output_metadata("edit", "auto", once) == once


def test_the_mark_of_an_earlier_run_with_another_task_is_kept() -> None:
    first = output_metadata("replace", "auto", {})
    second = output_metadata("edit", "auto", first)
    assert "task: edit" in second["comment"]
    assert "task: replace" in second["comment"]


def test_none_writes_no_marks() -> None:
    assert output_metadata("edit", "none", {"comment": "x"}) == {}


def test_require_is_refused_with_exit_8() -> None:
    with pytest.raises(PolicyError, match="C2PA") as caught:
        output_metadata("edit", "require", {})
    assert caught.value.exit_code == 8
    assert "auto" in caught.value.hint


def test_marks_are_read_back() -> None:
    marks = read_marks(output_metadata("reenact", "auto", {}))
    assert len(marks) == 2
    assert "magdr-video" in marks[0]
    assert "reenact" in marks[0]


def test_marks_are_read_whatever_the_case_of_their_keys() -> None:
    tags = output_metadata("reenact", "auto", {})
    assert read_marks({key.upper(): value for key, value in tags.items()}) == read_marks(tags)


def test_marks_of_others_are_told_from_ours() -> None:
    term = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    foreign = {"description": term}
    marks = read_marks(foreign)
    assert len(marks) == 1
    assert "IPTC" in marks[0]


def test_a_plain_file_has_no_marks() -> None:
    assert read_marks({"title": "holiday", "encoder": "Lavf62"}) == []


def test_the_sum_of_a_file_longer_than_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "long.bin"
    data = bytes(range(256)) * 4097
    path.write_bytes(data)
    assert sha256_of(path) == hashlib.sha256(data).hexdigest()


def test_versions_cover_every_library_that_shapes_a_result() -> None:
    versions = library_versions()
    assert versions["magdr-video"] == __version__
    assert set(LIBRARIES) < set(versions)
    assert "missing" not in versions.values()


def test_a_library_that_is_not_there_is_said_to_be_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("magdr_video.provenance.LIBRARIES", ("no-such-library-at-all",))
    assert library_versions()["no-such-library-at-all"] == "missing"


def test_the_record_lies_beside_its_output() -> None:
    assert record_path(Path("a/b.c.mp4")) == Path("a/b.c.mp4.magdr.json")


def test_a_record_is_readable_json_and_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "é.json"
    write_json(path, {"name": "José", "n": [1, None]})
    assert json.loads(path.read_text("utf-8")) == {"name": "José", "n": [1, None]}
    assert list(tmp_path.iterdir()) == [path]


def test_a_record_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.json"
    write_json(path, {"old": True})

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OutputError, match="No space left") as caught:
        write_json(path, {"old": False})
    assert caught.value.exit_code == 7
    assert json.loads(path.read_text("utf-8")) == {"old": True}
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_json(tmp_path / "none" / "r.json", {})
