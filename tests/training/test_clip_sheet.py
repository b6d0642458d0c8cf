"""A sheet of clip frames shows the same moments of all films, where the face is."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from magdr_video.errors import InputError, MagdrError, OutputError, UsageError
from magdr_video.faces.detections import Detections
from magdr_video.faces.detector import FaceDetector
from magdr_video.training import clip_sheet as module
from magdr_video.training.clip_sheet import AROUND, clip_sheet, frames_at, window_of
from magdr_video.video.colour import batch_to_rgb
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, make_clip


class OneFace(FaceDetector):
    """Finds the same box in every picture, or nothing."""

    def __init__(self, box: tuple[float, ...] = ()) -> None:
        self.box = box

    def detect(
        self, rgb: NDArray[np.uint8], scale: float | tuple[float, float] = 1.0
    ) -> list[Detections]:
        count = 1 if self.box else 0
        boxes = np.array([self.box] * count, np.float32).reshape(count, 4)
        points, scores = np.zeros((count, 5, 2), np.float32), np.ones(count, np.float32)
        return [Detections(boxes, points, scores, np.ones(count, np.bool_))] * len(rgb)


def _film(folder: Path, name: str, **facts: int) -> Path:
    path = folder / name
    make_clip(path, ClipPlan(**facts))  # type: ignore[arg-type]
    return path


def test_frames_are_those_of_the_asked_numbers(tmp_path: Path) -> None:
    film = _film(tmp_path, "a.mkv", frames=12)
    with ClipReader(film) as reader:
        every = np.concatenate([batch_to_rgb(batch, 48, 64) for batch in reader])
    first, later, last = frames_at(film, (0, 6, 11))
    assert np.array_equal(first, every[0])
    assert np.array_equal(later, every[6])
    assert np.array_equal(last, every[11])
    assert not np.array_equal(first, later)


def test_a_window_is_a_square_around_the_face_and_inside_the_frame() -> None:
    frame = np.zeros((100, 200, 3), np.uint8)
    rows, columns = window_of(frame, OneFace((100, 40, 120, 60)))
    assert rows.stop - rows.start == columns.stop - columns.start == int(20 * AROUND)
    assert (rows.start + rows.stop) / 2 == pytest.approx(50, abs=1)
    assert (columns.start + columns.stop) / 2 == pytest.approx(110, abs=1)
    rows, columns = window_of(frame, OneFace((190, 0, 200, 10)))
    assert rows.start == 0 and columns.stop == 200


def test_without_a_face_the_middle_is_shown() -> None:
    rows, columns = window_of(np.zeros((100, 200, 3), np.uint8), OneFace())
    assert (rows.start, rows.stop, columns.start, columns.stop) == (0, 100, 50, 150)


def test_a_sheet_has_a_row_a_moment_and_a_column_a_film(tmp_path: Path) -> None:
    one, other = (_film(tmp_path, name, frames=8) for name in ("a.mkv", "b.mkv"))
    sheet = clip_sheet([one, other], 3, 32)
    assert sheet.shape == (3 * 32, 2 * 32, 3)
    assert np.array_equal(sheet[:, :32], sheet[:, 32:])
    assert not np.array_equal(sheet[:32], sheet[32:64])


def test_a_film_of_another_size_is_refused(tmp_path: Path) -> None:
    one = _film(tmp_path, "a.mkv", frames=4)
    other = _film(tmp_path, "b.mkv", frames=4, width=96)
    with pytest.raises(InputError, match="differs in size"):
        clip_sheet([one, other], 2, 32)


def test_a_film_of_another_number_of_frames_is_refused(tmp_path: Path) -> None:
    films = [_film(tmp_path, f"{count}.mkv", frames=count) for count in (4, 5)]
    with pytest.raises(InputError, match=r"number of frames from .*: 5, not 4"):
        clip_sheet(films, 2, 32)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        (["--out", "none/sheet.jpg"], OutputError, "no such folder"),
        (["--out", "sheet.sheet"], OutputError, "no picture's name"),
        (["--out", "sheet.jpg", "--frames", "0"], UsageError, "--frames 0"),
        (["--out", "sheet.jpg", "--side", "0"], UsageError, "--side 0"),
    ],
)
def test_wrong_options_are_refused_before_a_film_is_opened(
    options: list[str],
    kind: type[MagdrError],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["clip_sheet", "missing.mkv", *options])
    with pytest.raises(kind, match=said) as refused:
        module.main()
    assert refused.value.hint
    assert list(tmp_path.iterdir()) == []
