"""`defend` over clips that are hard to carry through: frames, times, size, colour, streams.

No face is found in any of them, so that what comes out must be what went in. Pictures are compared
as the ffmpeg program shows them, which knows nothing of us.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magdr_video.command import main
from tests.clips import ClipPlan, make_clip, truncate
from tests.conformance.likeness import assert_alike, assert_same_streams
from tests.conformance.plans import CASES, EXACT, MILLI, NAMES
from tests.conformance.player import play
from tests.faceless import without_networks

AS_BOTH = (".mp4", ".mov", ".mkv", ".webm")
"""Containers that begin where they are told to."""


@pytest.fixture(autouse=True)
def _no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    without_networks(monkeypatch)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)


def defend(source: Path | str, target: Path | str, *flags: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["defend", str(source), "-o", str(target), "--task", "edit", "-q", *flags])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("name", CASES)
def test_a_clip_without_a_face_comes_out_as_it_went_in(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    source = tmp_path / f"source{case.suffix}"
    target = tmp_path / f"result{case.becomes or case.suffix}"
    make_clip(source, case.plan)
    assert defend(source, target, *case.flags) == 0
    before, after = play(source), play(target)
    assert_alike(before, after, exact=True, keeps_start=case.suffix in AS_BOTH)
    assert_same_streams(before, after)


def test_duplicates_and_cuts_are_really_in_the_clips(tmp_path: Path) -> None:
    """Else the cases above would prove nothing of them."""
    for name, steps in (("duplicate frames", {4, 9, 14}), ("hard cuts", {8})):
        make_clip(tmp_path / "a.mp4", CASES[name].plan)
        luma = play(tmp_path / "a.mp4").pictures.astype(int).mean(axis=-1)
        changes = np.abs(np.diff(luma, axis=0)).mean(axis=(1, 2))
        assert set(np.flatnonzero(changes > (0 if name == "duplicate frames" else 20))) == steps


@pytest.mark.parametrize("name", ["PQ", "HLG"])
def test_hdr_is_refused_with_4_unless_it_is_asked_for(name: str, tmp_path: Path) -> None:
    source = tmp_path / f"source{CASES[name].suffix}"
    make_clip(source, CASES[name].plan)
    assert defend(source, tmp_path / f"result{source.suffix}", *EXACT) == 4
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_a_file_that_breaks_off_gives_the_frames_it_has(suffix: str, tmp_path: Path) -> None:
    whole = tmp_path / f"whole{suffix}"
    make_clip(whole, ClipPlan(frames=40, time_base=MILLI))
    source = truncate(whole, tmp_path / f"source{suffix}", 0.6)
    assert defend(source, tmp_path / f"result{suffix}", *EXACT) == 0
    before, after = play(source), play(tmp_path / f"result{suffix}")
    assert 10 < len(after.seconds) < 40
    assert_alike(before, after, exact=True, keeps_start=suffix == ".mkv")


@pytest.mark.parametrize("share", [0, 0.6])
def test_an_empty_file_and_an_mp4_without_its_index_are_3(share: float, tmp_path: Path) -> None:
    make_clip(tmp_path / "whole.mp4")
    source = truncate(tmp_path / "whole.mp4", tmp_path / "source.mp4", share)
    assert defend(source, tmp_path / "result.mp4") == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.mp4", "whole.mp4"]


@pytest.mark.parametrize("name", NAMES)
def test_names_that_shells_and_printf_stumble_over_are_names(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / f"{name}.mp4", ClipPlan(frames=2))
    assert defend(f"./{name}.mp4", f"./{name} out.mp4", *EXACT) == 0
    with pytest.raises(SystemExit) as ended:
        main(["defend", "--task", "edit", "-q", *EXACT, "--", f"{name}.mp4"])
    assert not ended.value.code
    made = {path.name for path in tmp_path.iterdir() if path.suffix == ".mp4"}
    assert made == {f"{name}.mp4", f"{name} out.mp4", f"{name}_defended.mp4"}
