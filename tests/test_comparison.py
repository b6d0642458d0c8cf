"""The film that shows what the defence changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from magdr_video import comparison
from magdr_video.errors import RuntimeFailure
from magdr_video.loading import Models
from magdr_video.provenance import read_marks
from magdr_video.settings import load_settings
from magdr_video.video.container import side_by_side
from magdr_video.video.reader import ClipReader
from magdr_video.video.span import Span, parse_span
from tests.clips import ClipPlan, Sound, make_clip, vfr_times

MODELS: Any = Models(
    device=SimpleNamespace(),
    translator=SimpleNamespace(),
    parser=SimpleNamespace(),
    parser_size=1,
    table=SimpleNamespace(),
    recnet=SimpleNamespace(),
    condition=(),
    weights={},
)  # type: ignore[arg-type]


def test_the_film_has_three_parts_its_marks_and_leaves_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, defended, film = (tmp_path / name for name in ("-a 'b'.mp4", "d.mp4", "film.mp4"))
    make_clip(source, ClipPlan(frames=5))
    shutil.copy(source, defended)
    asked: dict[str, Any] = {}

    def translate(source: Path, target: Path, settings: Any, **more: Any) -> None:
        asked.update(more, settings=settings)
        shutil.copy(source, target)

    monkeypatch.setattr(comparison, "translate_clip", translate)
    settings = load_settings(task="edit")
    comparison.write_comparison(source, defended, film, settings, MODELS, options={"tune": "x"})
    assert not asked["settings"].detection.enabled and asked["models"].table is None
    assert asked["options"] == {"tune": "x"}
    with ClipReader(film) as reader:
        assert (reader.info.width, reader.info.height) == (3 * 64, 48)
        assert sum(len(batch) for batch in reader) == 5
        assert "made by magdr-video" in " ".join(read_marks(reader.info.metadata))
    assert {p.name for p in tmp_path.iterdir()} == {"-a 'b'.mp4", "d.mp4", "film.mp4"}


def test_no_ffmpeg_of_the_machine_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("IMAGEIO_FFMPEG_EXE", raising=False)
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=3))
    comparison.cut_out(tmp_path / "a.mp4", parse_span(None, "2f"), tmp_path / "b.nut")
    side_by_side([tmp_path / "a.mp4", tmp_path / "b.nut"], ["a", "b"], tmp_path / "film.mp4")
    with ClipReader(tmp_path / "film.mp4") as reader:
        assert sum(len(batch) for batch in reader) == 3


def test_the_film_of_a_part_shows_that_part_of_the_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, defended, film = (tmp_path / name for name in ("a.mp4", "d.mp4", "film.mp4"))
    make_clip(
        source, ClipPlan(frames=30, pts=vfr_times(30), cut_at=12, sounds=[Sound(codec="aac")])
    )
    part = parse_span("12f", "20f")
    comparison.cut_out(source, part, defended)

    def translate(source: Path, target: Path, settings: Any, *, span: Span, **_: Any) -> None:
        comparison.cut_out(source, span, target)

    monkeypatch.setattr(comparison, "translate_clip", translate)
    comparison.write_comparison(
        source, defended, film, load_settings(task="edit"), MODELS, span=part
    )
    with ClipReader(film, batch=100) as shown, ClipReader(source, span=part, batch=100) as asked:
        found, wanted = next(iter(shown)), next(iter(asked))
        assert len(found) == len(wanted) == 8
        gaps = np.diff(found.pts) * float(found.time_base)
        np.testing.assert_allclose(gaps, np.diff(wanted.pts) * float(wanted.time_base), atol=1e-3)
        below_label = found.planes[0][:, 24:, :64].astype(int) - wanted.planes[0][:, 24:]
        # The pictures before the cut would be off by 50.
        assert np.abs(below_label).mean() < 12
        assert any(note.kind == "audio" for note in shown.info.streams)


def test_a_failure_leaves_no_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeFailure("no")

    monkeypatch.setattr(comparison, "translate_clip", fail)
    with pytest.raises(RuntimeFailure):
        comparison.write_comparison(
            tmp_path / "a.mp4",
            tmp_path / "d.mp4",
            tmp_path / "film.mp4",
            load_settings(task="edit"),
            MODELS,
        )
    assert list(tmp_path.iterdir()) == []
