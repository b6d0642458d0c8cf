"""A clip with much beside its picture, and the film of a run that was left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video import runs
from tests.clips import make_clip
from tests.delivery.films import (
    RICH,
    quick,
)
from tests.standins import without_networks


@pytest.fixture
def source(tmp_path: Path) -> Path:
    make_clip(tmp_path / "a.mp4", RICH)
    return tmp_path / "a.mp4"


@pytest.fixture
def undisturbed(source: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The film of a run that was left alone."""
    without_networks(monkeypatch)
    runs.translate_clip(source, tmp_path / "whole.mp4", quick())
    (tmp_path / "whole.mp4.magdr.json").unlink()
    return tmp_path / "whole.mp4"
