"""Comparison films, other containers, and the child that makes them."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from magdr_video.errors import InputError, OutputError, RuntimeFailure
from magdr_video.video.colour import batch_to_rgb
from magdr_video.video.container import remux, run_child, side_by_side
from magdr_video.video.reader import ClipReader, probe
from tests.clips import ClipPlan, Sound, make_clip


def rgb_frames(path: Path) -> np.ndarray:
    with ClipReader(path) as reader:
        return np.concatenate([batch_to_rgb(b, b.height, b.width) for b in reader])


def test_films_stand_side_by_side_with_labels_and_the_first_one_s_sound(tmp_path: Path) -> None:
    first, second = tmp_path / "it's -a.mp4", tmp_path / "b:%d.mp4"
    make_clip(first, ClipPlan(frames=10, width=128, height=96, sounds=[Sound()], matrix=6))
    make_clip(second, ClipPlan(frames=10, width=64, height=48, rotation=90, matrix=1))
    target = tmp_path / "both.mp4"
    side_by_side([first, second], ["100% 'it': a\\b", "défendu"], target)
    info = probe(target)
    assert (info.width, info.height) == (128 + 72, 96)
    assert [s.kind for s in info.streams] == ["video", "audio"]
    shown, plain = rgb_frames(target), rgb_frames(first)
    assert len(shown) >= 10
    error = np.abs(shown[3, :, :128].astype(int) - plain[3])
    # BT.601 became BT.709, so RGB is compared; the label covers the top left corner only.
    assert error[40:].mean() < 4 < 15 < error[:10, :50].mean()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b:%d.mp4", "both.mp4", "it's -a.mp4"]


def test_a_film_has_the_frames_and_times_of_its_first_input_whatever_the_others_round(
    tmp_path: Path,
) -> None:
    first, second = tmp_path / "a.mp4", tmp_path / "b.mkv"
    times = [3003 * index for index in range(12)]
    make_clip(first, ClipPlan(frames=12, pts=times, width=128, height=96, cut_at=6, matrix=1))
    remux(first, second)  # Matroska rounds the times to milliseconds
    target = tmp_path / "both.mp4"
    side_by_side([first, second], ["", ""], target, metadata={"comment": "made = here"})
    with ClipReader(target) as reader:
        batch = next(iter(reader))
        assert reader.info.metadata["comment"] == "made = here"
    seconds = [float(pts * batch.time_base) for pts in batch.pts]
    np.testing.assert_allclose(seconds, np.array(times) / 90000, atol=1e-4)
    left, right = batch.planes[0][:, :, :128], batch.planes[0][:, :, 128:]
    # The cut comes in the same frame on both sides: nothing lags.
    assert np.abs(left.astype(int) - right).mean(axis=(1, 2)).max() < 4


def test_sound_that_begins_before_the_pictures_of_a_film_does_not_shift_them(
    tmp_path: Path,
) -> None:
    first, second, target = (tmp_path / name for name in ("a.mp4", "b.mkv", "both.mp4"))
    make_clip(first, ClipPlan(frames=8, width=128, height=96))
    early = (Sound(start=Fraction(-1, 40)),)
    make_clip(second, ClipPlan(frames=8, width=128, height=96, sounds=early))
    side_by_side([first, second], ["", ""], target)
    with ClipReader(target) as reader:
        batch = next(iter(reader))
    assert len(batch) == 8
    left, right = batch.planes[0][:, :, :128], batch.planes[0][:, :, 128:]
    assert np.abs(left.astype(int) - right).mean(axis=(1, 2)).max() < 4


def test_one_label_for_each_film_is_required(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 films and 2 labels"):
        side_by_side([tmp_path / "a.mp4"], ["a", "b"], tmp_path / "c.mp4")


def test_a_film_that_is_missing_or_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="does not exist"):
        side_by_side([tmp_path / "no.mp4"], ["a"], tmp_path / "c.mp4")
    with pytest.raises(OutputError, match="folder"):
        side_by_side([tmp_path / "a.mp4"], ["a"], tmp_path / "no" / "c.mp4")


def test_remuxing_changes_the_container_and_no_frame(tmp_path: Path) -> None:
    made = make_clip(tmp_path / "a.mp4", ClipPlan(sounds=[Sound()]))
    remux(tmp_path / "a.mp4", tmp_path / "b.mkv")
    with ClipReader(tmp_path / "b.mkv") as reader:
        assert "matroska" in reader.info.format
        batch = next(iter(reader))
    np.testing.assert_array_equal(batch.planes[0], [m[0] for m in made])


def test_a_failed_child_leaves_no_file_and_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("This is not a film.")
    with pytest.raises(RuntimeFailure, match="Invalid data"):
        remux(tmp_path / "a.mp4", tmp_path / "b.mkv")
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(OutputError, match="is the input"):
        remux(tmp_path / "a.mp4", tmp_path / "a.mp4")


def test_a_child_that_says_ten_megabytes_ends() -> None:
    talk = "import sys; [sys.stderr.write('x' * 99 + chr(10)) for _ in range(100_000)]"
    run_child([sys.executable, "-c", talk], "talking")
    with pytest.raises(RuntimeFailure, match="code 3; ffmpeg said: last words"):
        run_child(
            [sys.executable, "-c", "import sys; sys.stderr.write('last words'); sys.exit(3)"], "it"
        )
