"""What the cells of a clip's repairs are kept under."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magdr_video.benchmark import clip_cells
from magdr_video.benchmark.clip_cells import ClipPlan, clip_cell
from magdr_video.models import zoo
from magdr_video.settings import load_settings


def test_other_weights_of_the_motion_purifier_make_other_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = tmp_path / "a.mkv"
    clip.write_bytes(b"frames")
    settings = load_settings(task="edit")
    subject: Any = SimpleNamespace(task="edit", identity={}, settings=settings, rooms=(), models=())

    def address() -> str:
        return clip_cell(ClipPlan((clip,)), subject, clip, lambda _: None).address

    before, find = address(), zoo.find
    assert address() == before
    monkeypatch.setattr(clip_cells.zoo, "find", lambda name: replace(find(name), sha256="0" * 64))
    assert address() != before


def test_cells_are_of_the_source_of_the_motion_purifier() -> None:
    assert "models/motion_purifier" in clip_cells.SOURCES
