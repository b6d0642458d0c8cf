"""Clips from file to file, without networks."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from magdr_video.runs import detect_clip
from magdr_video.settings import load_settings
from tests.clips import ClipPlan, make_clip
from tests.faceless import without_networks


def test_a_sample_is_judged_alone_and_the_report_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_networks(monkeypatch)
    path = tmp_path / "a.mkv"
    make_clip(path, ClipPlan(frames=30, time_base=Fraction(1, 1000)))
    settings = load_settings(task="edit")
    whole = detect_clip(path, settings)["run"]
    assert whole["frames_in"] == 30
    assert not any("random" in note for note in whole["notes"])
    drawn = detect_clip(path, settings, sample=4)["run"]
    assert drawn["frames_in"] == 4
    assert any(note.startswith("judged on 4 frames drawn at random") for note in drawn["notes"])
