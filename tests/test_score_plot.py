"""The plot of a clip's scores: what it shows, and what it does without matplotlib."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from magdr_video.errors import OutputError, SettingsError
from magdr_video.score_plot import check_plot, draw_scores


def verdict(track: int, frame: int, score: float | None, *flagged: str) -> dict[str, Any]:
    return {
        "track": track,
        "frame": frame,
        "perturbed": score is not None and score >= 0,
        "score": score,
        "margins": {"hair": -1.0, "nose": 8.0},
        "regions": list(flagged),
    }


def drawn(tmp_path: Path, *verdicts: dict[str, Any]) -> np.ndarray[Any, Any]:
    run = {"faces": 9, "faces_perturbed": 2, "verdicts": list(verdicts)}
    path = tmp_path / "scores.png"
    draw_scores({"input": "clip.mp4", "task": "edit", "run": run}, path)
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), dtype=int)


def red(picture: np.ndarray[Any, Any]) -> int:
    """Pixels of the colour that marks perturbed faces and the threshold."""
    return int((np.abs(picture - (193, 18, 31)).sum(axis=2) < 30).sum())


def test_perturbed_faces_are_marked(tmp_path: Path) -> None:
    clean = drawn(tmp_path, verdict(0, 0, -2.0), verdict(0, 12, -2.0))
    broken = drawn(tmp_path, verdict(0, 0, -2.0), verdict(0, 12, 2.0, "nose"))
    assert red(broken) > red(clean) + 20


@pytest.mark.parametrize("verdicts", [(), (verdict(0, 0, None),)], ids=["no face", "no number"])
def test_a_clip_without_scores_still_gives_a_picture(
    tmp_path: Path, verdicts: tuple[dict[str, Any], ...]
) -> None:
    assert drawn(tmp_path, *verdicts).std() > 0


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as caught:
        check_plot(tmp_path / "scores.png")
    assert "magdr-video[plot]" in caught.value.hint


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    check_plot(tmp_path / "scores.svg")
    with pytest.raises(SettingsError, match="no picture"):
        check_plot(tmp_path / "scores.mp4")
    with pytest.raises(OutputError, match="does not exist"):
        check_plot(tmp_path / "nowhere" / "scores.png")
