"""A protected version that is given: what is refused as no version of the clip."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from magdr_video.benchmark import clip_measurement
from magdr_video.benchmark.clip_measurement import measure_clip
from magdr_video.benchmark.clip_protection import (
    require_likeness,
    require_same_generator,
    require_same_size,
    take_protected,
)
from magdr_video.errors import InputError, UsageError
from magdr_video.provenance import record_path, sha256_of
from magdr_video.settings import flatten, load_settings
from magdr_video.video.reader import ClipReader
from tests.benchmark.toy_cuts import TOY_MODELS, toy_clip, toy_cuts
from tests.clips import ClipPlan, make_clip
from tests.toys import pictures

WEIGHTS = {"toy": "ab" * 32}


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    clip = toy_clip(tmp_path / "a.mkv")
    require_same_size(clip, toy_clip(tmp_path / "b.mkv"))
    make_clip(tmp_path / "wide.mp4", ClipPlan(frames=5))
    with pytest.raises(InputError, match=r"frames of 64x48, .*a\.mkv of 64x64"):
        require_same_size(clip, tmp_path / "wide.mp4")


@pytest.mark.parametrize(("frames", "limit"), [(5, 0), (5, 5), (3, 3)])
def test_a_version_is_cut_as_its_clip_was(tmp_path: Path, frames: int, limit: int) -> None:
    given = toy_clip(tmp_path / "given.mkv", 5)
    target = tmp_path / "cut.mkv"
    take_protected(given, target, tmp_path / "a.mkv", frames=frames, limit=limit)
    with ClipReader(target) as held:
        assert sum(map(len, held)) == frames


@pytest.mark.parametrize(("frames", "limit"), [(6, 0), (8, 8), (4, 0)])
def test_another_number_of_frames_is_refused(tmp_path: Path, frames: int, limit: int) -> None:
    given = toy_clip(tmp_path / "given.mkv", 5)
    with pytest.raises(InputError, match=f"has 5 frames, {frames} of .* are measured"):
        take_protected(given, tmp_path / "cut.mkv", tmp_path / "a.mkv", frames=frames, limit=limit)


def test_other_faces_are_refused_and_perturbed_ones_are_not() -> None:
    clean = pictures(3, 32)
    perturbed = (clean + 0.1 * torch.randn(clean.shape).sign()).clamp(0, 1)
    require_likeness(Path("a.mkv"), perturbed, clean)
    with pytest.raises(InputError, match="shows other faces"):
        require_likeness(Path("a.mkv"), 1 - clean, clean)


def recorded(path: Path, **other: Any) -> Path:
    """A version with the record that `protect` leaves beside it."""
    toy_clip(path)
    settings = load_settings(task="edit", overrides=["condition.attributes=Black_Hair"])
    record = {
        "command": "protect",
        "task": "edit",
        "settings": flatten(settings),
        "weights": [{"name": "toy", "sha256": WEIGHTS["toy"]}],
        "sha256": {"output": sha256_of(path)},
    }
    record_path(path).write_text(json.dumps(record | other))
    return path


@pytest.mark.parametrize(
    ("task", "attributes", "weights", "word", "hint"),
    [
        ("reenact", "", WEIGHTS, "against edit, not reenact", "--tasks edit"),
        ("edit", "Male", WEIGHTS, "=Black_Hair", "--set condition.attributes=Black_Hair"),
        ("edit", "Black_Hair", {"toy": "cd" * 32}, "other weights than those of 'toy'", "anew"),
    ],
)
def test_a_version_made_for_something_else_is_refused_by_its_record(
    tmp_path: Path, task: str, attributes: str, weights: dict[str, str], word: str, hint: str
) -> None:
    given = recorded(tmp_path / "a.mkv")
    overrides = [f"condition.attributes={attributes}"] if attributes else []
    settings = load_settings(task=task, overrides=overrides)
    with pytest.raises(UsageError, match=word) as found:
        require_same_generator(given, settings, weights)
    assert hint in found.value.hint


@pytest.mark.parametrize(
    "other", [{}, {"command": "defend", "task": "replace"}, {"sha256": {"output": "00"}, "task": 1}]
)
def test_a_version_made_for_this_or_with_no_record_of_its_own_is_taken(
    tmp_path: Path, other: dict[str, Any]
) -> None:
    settings = load_settings(task="edit", overrides=["condition.attributes=Black_Hair"])
    require_same_generator(recorded(tmp_path / "a.mkv", **other), settings, WEIGHTS)
    require_same_generator(toy_clip(tmp_path / "bare.mkv"), settings, WEIGHTS)


def test_a_version_that_is_given_is_measured_and_nothing_is_protected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = toy_clip(tmp_path / "a.mkv", 5)
    given = toy_clip(tmp_path / "given.mkv", 5, darker=(0,))
    seen: list[torch.Tensor] = []

    def runs(settings: Any, models: Any, cuts: Any, pairs: Any, *rest: Any) -> list[Any]:
        seen.append(cuts.crops(pairs[0].protected))
        return [{"run": "defended"}]

    monkeypatch.setattr(clip_measurement.Cuts, "of", lambda path, *rest: toy_cuts(path))
    monkeypatch.setattr(clip_measurement, "protect_clip", lambda *rest: pytest.fail("protected"))
    monkeypatch.setattr(clip_measurement, "whole_runs", runs)
    held = measure_clip(
        clip,
        load_settings(task="edit"),
        TOY_MODELS,  # type: ignore[arg-type]
        frames=3,
        crfs=(),
        protected=given,
        versions=False,
        say=lambda text: None,
    )
    assert held == {
        "clip": "a.mkv",
        "frames": 3,
        "faces": 3,
        "versions": [],
        "runs": [{"run": "defended"}],
    }
    torch.testing.assert_close(seen[0], toy_cuts(given).crops(given)[:3])
