"""The film that shows what the defence changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magdr_video import comparison
from magdr_video.errors import RuntimeFailure
from magdr_video.loading import Models
from magdr_video.provenance import read_marks
from magdr_video.settings import load_settings
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, make_clip

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
