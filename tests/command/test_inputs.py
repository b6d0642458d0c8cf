"""Files, directories, patterns and lists: which files are meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magdr_video.command.inputs import are_many, expand
from magdr_video.errors import InputError


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: two films, our own earlier output, and what is no film."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    for name in (
        "b.MP4", "a.mkv", "a_defended.mkv", "a_compared.mp4", "a.partial.mkv",
        "c.txt", ".a.mkv.part", "._b.mp4", "sub/d.mov",
        "sub/deep/e.webm",
    ):  # fmt: skip
        (tmp_path / name).touch()
    (tmp_path / "x.mp4").mkdir()
    return tmp_path


def names(*inputs: str | Path, recursive: bool = False) -> list[str]:
    return [str(source.path) for source in expand(list(map(Path, inputs)), recursive=recursive)]


def test_a_directory_means_its_videos_sorted_without_hidden_ones_and_our_own(films: Path) -> None:
    assert names(films) == [str(films / "a.mkv"), str(films / "b.MP4")]


def test_directories_inside_are_taken_on_request_and_keep_their_place(films: Path) -> None:
    found = expand([films], recursive=True)
    assert [str(source.below / source.path.name) for source in found] == [
        "a.mkv",
        "b.MP4",
        "sub/d.mov",
        "sub/deep/e.webm",
    ]


def test_a_quoted_pattern_is_expanded_here(films: Path) -> None:
    assert names("*.m*") == ["a.mkv"]
    assert names("[ab].*") == ["a.mkv", "b.MP4"]
    assert names("**/*.mov", films / "sub" / "*" / "?.webm") == [
        "sub/d.mov",
        str(films / "sub/deep/e.webm"),
    ]


def test_a_file_whose_name_looks_like_a_pattern_or_a_list_is_itself(films: Path) -> None:
    for name in ("a[1]*.mkv", "@a.mkv"):
        (films / name).touch()
        assert names(name) == [name]
        assert not are_many([Path(name)])


def test_an_own_output_is_taken_when_it_is_named(films: Path) -> None:
    assert names("a_defended.mkv") == ["a_defended.mkv"]


@pytest.mark.parametrize(
    "held", [b"# films\na.mkv\r\n\n  x y.mp4\n", b"a.mkv\0  x y.mp4\0", b"a.mkv\n  x y.mp4"]
)
def test_a_list_names_paths_one_a_line_or_between_nuls(films: Path, held: bytes) -> None:
    Path("list.txt").write_bytes(held)
    assert names("@list.txt") == ["a.mkv", "  x y.mp4"]


def test_a_list_between_nuls_holds_names_with_newlines_and_other_bytes(films: Path) -> None:
    Path("list").write_bytes(b"a\nb.mp4\0\xff.mp4\0sub\0")
    assert names("@list") == ["a\nb.mp4", os.fsdecode(b"\xff.mp4"), "sub/d.mov"]


def test_each_file_is_taken_once_and_the_order_is_that_of_the_words(films: Path) -> None:
    assert names("b.MP4", films, "./a.mkv", "*.mkv") == ["b.MP4", str(films / "a.mkv")]


def test_a_missing_file_is_left_for_its_own_report(films: Path) -> None:
    assert names("a.mkv", "none.mp4") == ["a.mkv", "none.mp4"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("*.avi", "no video matches"),
        ("c.tx?", "no video matches"),
        ("@none", "cannot read the list"),
        ("@c.txt", "names no files"),
        ("x.mp4", "holds no videos"),
    ],
)
def test_words_that_mean_nothing_are_refused(films: Path, word: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        expand([Path(word)])
    assert caught.value.hint


def test_one_word_may_mean_many_files(films: Path) -> None:
    assert are_many([Path("sub")])
    assert are_many([Path("*.mkv")])
    assert are_many([Path("a.mkv"), Path("b.MP4")])
    assert not are_many([Path("a.mkv")])
    assert not are_many([Path("none.mp4")])
    assert not are_many([Path("-")])
