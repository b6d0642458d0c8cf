"""The list of done clips: a rerun does what is left, and trusts files more than the list."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magdr_video.batch.archive import Archive
from magdr_video.errors import OutputError
from magdr_video.settings import Settings, load_settings


@pytest.fixture
def settings() -> Settings:
    return load_settings(task="edit")


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """An input and its output, with a name that is hard on lists."""
    source, target = tmp_path / 'a\n"b" ü.mp4', tmp_path / "out.mp4"
    source.write_text("source")
    target.write_text("target")
    return source, target


def test_what_was_added_is_held_by_the_next_run(
    tmp_path: Path, settings: Settings, pair: tuple[Path, Path]
) -> None:
    path = tmp_path / "done"
    archive = Archive(path, settings)
    assert not archive.holds(*pair)
    archive.add(*pair)
    assert archive.holds(*pair)
    assert Archive(path, settings).holds(*pair)
    assert len(path.read_bytes().splitlines()) == 1


def test_a_changed_input_a_lost_output_and_other_settings_are_done_again(
    tmp_path: Path, settings: Settings, pair: tuple[Path, Path]
) -> None:
    path, (source, target) = tmp_path / "done", pair
    Archive(path, settings).add(source, target)
    other = load_settings(task="edit", overrides=["output.crf=20"])
    assert not Archive(path, other).holds(source, target)
    elsewhere = load_settings(task="edit", overrides=["run.device=cpu", "run.jobs=3"])
    assert Archive(path, elsewhere).holds(source, target)
    assert not Archive(path, settings, ["--start 3"]).holds(source, target)
    target.write_text("half")
    assert not Archive(path, settings).holds(source, target)
    target.unlink()
    assert not Archive(path, settings).holds(source, target)
    target.write_text("target")
    assert Archive(path, settings).holds(source, target)
    os.utime(source, ns=(0, 0))
    assert not Archive(path, settings).holds(source, target)


def test_a_kill_in_the_middle_of_a_line_costs_that_line_only(
    tmp_path: Path, settings: Settings, pair: tuple[Path, Path]
) -> None:
    path = tmp_path / "done"
    Archive(path, settings).add(*pair)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    archive = Archive(path, settings)
    assert archive.holds(*pair)
    archive.add(*pair)
    assert path.read_bytes() == whole * 2
    path.write_bytes(whole[:40])
    archive = Archive(path, settings)
    assert not archive.holds(*pair)
    archive.add(*pair)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("held", [b"\x00\x01film\n\xff", b"a.mp4\n", b"[1]\n", b'"x"\n', b"film"])
def test_a_file_that_is_no_such_list_is_refused_and_stays(
    held: bytes, tmp_path: Path, settings: Settings
) -> None:
    path = tmp_path / "precious"
    path.write_bytes(held)
    with pytest.raises(OutputError, match="is not a list of done clips"):
        Archive(path, settings)
    assert path.read_bytes() == held


def test_a_list_that_cannot_be_written_is_an_output_error(
    tmp_path: Path, settings: Settings, pair: tuple[Path, Path]
) -> None:
    with pytest.raises(OutputError, match="no such folder"):
        Archive(tmp_path / "none" / "done", settings)
    (tmp_path / "gone").mkdir()
    archive = Archive(tmp_path / "gone" / "done", settings)
    (tmp_path / "gone").rmdir()
    with pytest.raises(OutputError, match="cannot write"):
        archive.add(*pair)
    with pytest.raises(OutputError, match="cannot read"):
        Archive(tmp_path, settings)
