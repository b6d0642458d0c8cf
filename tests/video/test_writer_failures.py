"""Outputs that fail, or must not be written, leave nothing behind and say why."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from magdr_video.errors import OutputError, RuntimeFailure, SettingsError
from magdr_video.video.reader import probe
from magdr_video.video.writer import ClipWriter
from tests.clips import ClipPlan, Sound, make_clip
from tests.video.copying import EXACT, copy, whole


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that is full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_no_file_appears_before_it_is_whole(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    info = probe(tmp_path / "a.mp4")
    with ClipWriter(tmp_path / "b.mp4", info, **EXACT) as writer:
        writer.write(whole(tmp_path / "a.mp4"))
        assert not (tmp_path / "b.mp4").exists()
        assert (tmp_path / ".b.mp4.part").exists()
    assert (tmp_path / "b.mp4").exists()
    assert not (tmp_path / ".b.mp4.part").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_nothing_behind(error: type[BaseException], tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(sounds=[Sound()]))
    source = tmp_path / "a.mp4"
    with (
        pytest.raises(error),
        ClipWriter(tmp_path / "b.mp4", probe(source), source=source, **EXACT) as writer,
    ):
        writer.write(whole(source))
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_an_output_error_and_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=60, width=320, height=240))
    with room_for(40_000), pytest.raises(OutputError, match="space") as caught:
        copy(tmp_path / "a.mp4", tmp_path / f"b{suffix}")
    assert caught.value.exit_code == 7
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_targets_that_must_not_be_written_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    make_clip(source)
    (tmp_path / "b.mp4").write_text("mine")
    (tmp_path / "c.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(source)
    for name, reason in {
        "a.mp4": "is the input",
        "link.mp4": "is the input",
        "b.mp4": "exists",
        "c.mp4": "directory",
        "no/d.mp4": "cannot write",
    }.items():
        with pytest.raises(OutputError, match=reason):
            copy(source, tmp_path / name, overwrite=name in ("a.mp4", "link.mp4"))
    assert (tmp_path / "b.mp4").read_text() == "mine"
    copy(source, tmp_path / "b.mp4", overwrite=True)
    assert len(whole(tmp_path / "b.mp4")) == 12


def test_a_clip_without_frames_is_not_written(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    with (
        pytest.raises(RuntimeFailure, match="no frame"),
        ClipWriter(tmp_path / "b.mp4", probe(tmp_path / "a.mp4")),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_frames_of_another_size_are_refused_with_both_sizes(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    make_clip(tmp_path / "b.mp4", ClipPlan(width=32))
    with (
        pytest.raises(ValueError, match=r"32.*64"),
        ClipWriter(tmp_path / "c.mp4", probe(tmp_path / "a.mp4"), **EXACT) as writer,
    ):
        writer.write(whole(tmp_path / "b.mp4"))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"vcodec": "libx265x"}, "no encoder"),
        ({"vcodec": "aac"}, "not video"),
        ({"pix_fmt": "yuv999p"}, "no pixel format"),
        ({"options": {"nonsense": "1"}}, "no option 'nonsense'"),
        ({"vcodec": "libvpx"}, "cannot hold"),
    ],
)
def test_encoder_settings_that_do_not_exist_are_named(
    flags: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    make_clip(tmp_path / "a.mp4")
    with pytest.raises(SettingsError, match=reason) as caught:
        copy(tmp_path / "a.mp4", tmp_path / "b.mp4", **flags)
    assert caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("name", ["two words", "it's", 'a "quote"', "é-😀", "-dash", "a:b%03d"])
def test_any_file_name_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=2))
    monkeypatch.chdir(tmp_path)
    copy(Path("a.mp4"), Path(f"{name}.mp4"))
    assert len(whole(tmp_path / f"{name}.mp4")) == 2


def test_a_hardware_encoder_that_cannot_open_is_replaced_and_noted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(width=256, height=256))
    writer = copy(tmp_path / "a.mp4", tmp_path / "b.mp4", vcodec="h264_vaapi", options={})
    assert len(whole(tmp_path / "b.mp4")) == 12
    assert any("libx264 instead" in note for note in writer.notes)
