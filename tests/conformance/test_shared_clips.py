"""`defend` over clips that others made to be hard, where the shared data is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from magdr_video.command import main
from tests.conformance.likeness import assert_alike, assert_same_streams
from tests.conformance.player import play
from tests.faceless import without_networks

EXACT = ("--encoder-preset", "ultrafast", "--crf", "0")
CLIPS = {
    "av1_video.mkv": (".mkv", EXACT),
    "bt601_limited_range.mp4": (".mp4", EXACT),
    "bt709_full_range.mp4": (".mp4", EXACT),
    "discard_first_keyframe.mp4": (".mp4", EXACT),
    "h264_10bits.mp4": (".mp4", EXACT),
    "nasa_13013.mp4": (".mp4", EXACT),
    "nasa_13013_hdr.mp4": (".mp4", (*EXACT, "--hdr", "passthrough")),
    "nasa_13013_rotated.mp4": (".mp4", EXACT),
    "test_non_zero_start.mp4": (".mp4", EXACT),
    "testsrc2_mpeg4.avi": (".mp4", EXACT),
    "testsrc2_mpeg4.mp4": (".mp4", EXACT),
    "testsrc2_odd_height_and_width_444.mp4": (".mp4", EXACT),
    "testsrc2_odd_width_vp9.mp4": (".mp4", EXACT),
    "testsrc2_vp8.webm": (".mkv", EXACT),
}
"""Container and flags of the output."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
def test_a_clip_comes_out_as_it_went_in(
    name: str, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = data_dir / "video-conformance" / name
    if not source.exists():
        pytest.skip(f"{source} is not in this copy of the shared data")
    without_networks(monkeypatch)
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    suffix, flags = CLIPS[name]
    target = tmp_path / f"result{suffix}"
    with pytest.raises(SystemExit) as ended:
        main(["defend", str(source), "-o", str(target), "--task", "edit", "-q", *flags])
    assert not ended.value.code
    before, after = play(source), play(target)
    assert_alike(before, after, exact=suffix == ".mp4", keeps_start=source.suffix != ".avi")
    assert_same_streams(before, after)
