"""Clips read: every frame, its exact time, its planes untouched, upright."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np
import pytest

from magdr_video.device import CPU_BATCH, DEVICE_BATCH
from magdr_video.errors import InputError
from magdr_video.types import FrameBatch
from magdr_video.video import batching, failures
from magdr_video.video.reader import OPENING, ClipReader, probe
from tests.clips import LOSSLESS, ClipPlan, Sound, make_clip, truncate, vfr_times

PLANS = {
    "constant rate": (ClipPlan(frames=20), ".mp4"),
    "variable rate": (ClipPlan(pts=vfr_times(30)), ".mp4"),
    "variable rate in QuickTime": (ClipPlan(pts=vfr_times(30)), ".mov"),
    "start that is not zero": (ClipPlan(pts=vfr_times(10, start=12345)), ".mp4"),
    "B-frames": (ClipPlan(frames=20, options={"qp": "0", "bf": "3", "preset": "fast"}), ".mp4"),
    "no frame count": (ClipPlan(time_base=Fraction(1, 1000)), ".mkv"),
    "transport stream": (ClipPlan(pts=vfr_times(10, start=9000)), ".ts"),
    "4:2:2": (ClipPlan(pixel_format="yuv422p"), ".mp4"),
    "4:4:4": (ClipPlan(pixel_format="yuv444p"), ".mp4"),
    "odd 4:4:4": (ClipPlan(pixel_format="yuv444p", width=63, height=65), ".mp4"),
    "odd 4:2:0": (
        ClipPlan(codec="ffv1", options={}, width=63, height=65, time_base=Fraction(1, 1000)),
        ".mkv",
    ),
    "10 bits": (ClipPlan(pixel_format="yuv420p10le"), ".mp4"),
    "12 bits": (
        ClipPlan(codec="ffv1", options={}, pixel_format="yuv422p12le", time_base=Fraction(1, 1000)),
        ".mkv",
    ),
    "grey": (
        ClipPlan(codec="ffv1", options={}, pixel_format="gray", time_base=Fraction(1, 1000)),
        ".mkv",
    ),
    "one frame": (ClipPlan(frames=1), ".mp4"),
}


def read(path: Path, batch: int = 16) -> list[FrameBatch]:
    with ClipReader(path, batch=batch) as reader:
        return list(reader)


def joined(batches: list[FrameBatch], plane: int) -> np.ndarray:
    return np.concatenate([batch.planes[plane] for batch in batches])


@pytest.mark.parametrize("name", PLANS)
def test_every_frame_comes_with_its_own_time_and_its_own_planes(name: str, tmp_path: Path) -> None:
    plan, suffix = PLANS[name]
    made = make_clip(tmp_path / f"clip{suffix}", plan)
    batches = read(tmp_path / f"clip{suffix}", batch=7)
    assert [b.first_index for b in batches] == list(range(0, len(made), 7))
    assert batches[0].pixel_format == plan.pixel_format
    times = np.concatenate([b.pts for b in batches]) * float(batches[0].time_base)
    wanted = np.array(plan.times) * float(plan.time_base)
    if suffix == ".ts":  # the muxer adds an offset of its own, the same for all
        times, wanted = times - times[0], wanted - wanted[0]
    np.testing.assert_allclose(times, wanted, atol=1e-9)
    for plane in range(len(made[0])):
        np.testing.assert_array_equal(joined(batches, plane), [m[plane] for m in made])


def shown_by_ffmpeg(path: Path, width: int, height: int) -> np.ndarray:
    """The first frame's luma as the ffmpeg command shows it, turned by its own rule."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-frames:v", "1"]
    command += ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8)[: width * height].reshape(height, width)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_pictures_are_turned_as_a_player_turns_them(
    rotation: int, mirrored: bool, tmp_path: Path
) -> None:
    path = tmp_path / "turned.mp4"
    make_clip(path, ClipPlan(frames=2, rotation=rotation, mirrored=mirrored))
    batch = read(path)[0]
    np.testing.assert_array_equal(
        batch.planes[0][0], shown_by_ffmpeg(path, batch.width, batch.height)
    )
    assert batch.planes[0].flags.c_contiguous
    assert (batch.width, batch.height) == ((48, 64) if rotation % 180 else (64, 48))


def test_a_quarter_turn_inverts_the_sample_aspect(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=1, rotation=90, aspect=Fraction(12, 11)))
    assert probe(tmp_path / "a.mp4").sample_aspect == Fraction(11, 12)


def test_a_turned_422_clip_becomes_444_and_keeps_its_luma(tmp_path: Path) -> None:
    made = make_clip(tmp_path / "a.mp4", ClipPlan(pixel_format="yuv422p", rotation=90))
    batch = read(tmp_path / "a.mp4")[0]
    assert batch.pixel_format == "yuv444p"
    assert batch.subsampling == (0, 0)
    upright = [np.rot90(m[0], probe(tmp_path / "a.mp4").rotation // 90) for m in made]
    np.testing.assert_array_equal(batch.planes[0], upright)


@pytest.mark.parametrize(
    ("plan", "matrix", "full", "guessed", "hdr"),
    [
        (ClipPlan(), "bt601", False, True, False),
        (ClipPlan(height=720, width=64), "bt709", False, True, False),
        (ClipPlan(matrix=1, primaries=1, transfer=1), "bt709", False, False, False),
        (ClipPlan(matrix=6, full_range=True), "bt601", True, False, False),
        (ClipPlan(matrix=9, primaries=9, transfer=16, pixel_format="yuv420p10le"),
         "bt2020", False, False, True),
    ],
)  # fmt: skip
def test_colour_is_what_the_stream_says_or_a_guess_by_height(
    plan: ClipPlan, matrix: str, full: bool, guessed: bool, hdr: bool, tmp_path: Path
) -> None:
    make_clip(tmp_path / "a.mp4", replace(plan, frames=1))
    info = probe(tmp_path / "a.mp4")
    assert (info.colour.matrix, info.colour.full_range) == (matrix, full)
    assert (info.colour.guessed, info.hdr) == (guessed, hdr)
    assert any("untagged" in note for note in info.notes) == guessed


def test_a_guess_is_written_down_once_the_height_no_longer_tells_it(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=1, width=64, height=720, rotation=90))
    colour = probe(tmp_path / "a.mp4").colour
    assert (colour.matrix, colour.coded_matrix, colour.guessed) == ("bt709", 1, True)


def test_rgb_and_alpha_become_planar_yuv_and_a_note_says_so(tmp_path: Path) -> None:
    plan = ClipPlan(frames=1, codec="libx264rgb", pixel_format="rgb24")
    with av.open(str(tmp_path / "a.mkv"), "w") as output:
        stream = output.add_stream(plan.codec, rate=25, options=dict(LOSSLESS))
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        grey = np.full((48, 64, 3), 128, np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(grey, "rgb24")))
        output.mux(stream.encode(None))
    batch = read(tmp_path / "a.mkv")[0]
    assert batch.pixel_format == "yuv444p"
    assert abs(int(batch.planes[0][0, 9, 9]) - 126) <= 1
    assert any("converted" in note for note in probe(tmp_path / "a.mkv").notes)


@pytest.mark.parametrize("batch", [1, 5, 16])
def test_a_hard_cut_is_flagged_once_whatever_the_batch(batch: int, tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=20, cut_at=10))
    cut = np.concatenate([b.cut for b in read(tmp_path / "a.mp4", batch)])
    assert list(np.flatnonzero(cut)) == [0, 10]


def test_equal_times_are_kept_and_missing_ones_filled() -> None:
    from magdr_video.video.batching import Timeline
    from magdr_video.video.clip_info import ClipInfo

    info = ClipInfo.synthetic(64, 48, 25)
    notes: list[str] = []
    timeline = Timeline(info, notes)
    placed = []
    for pts in (0, 3600, 3600, None, 100, 3700):
        frame = av.VideoFrame(16, 16)
        frame.pts, frame.time_base = pts, info.time_base
        placed.append(timeline.place(frame)[0])
    assert placed == [0, 3600, 3600, 7200, 10800, 14400]
    assert len(notes) == 2


def test_a_truncated_matroska_gives_what_it_has(tmp_path: Path) -> None:
    plan = ClipPlan(frames=40, time_base=Fraction(1, 1000), options={"qp": "10", "g": "5"})
    make_clip(tmp_path / "whole.mkv", plan)
    short = truncate(tmp_path / "whole.mkv", tmp_path / "short.mkv", 0.5)
    assert 1 <= sum(map(len, read(short))) < 40


def test_damaged_packets_in_the_middle_do_not_end_the_clip(tmp_path: Path) -> None:
    every_frame_alone = {"qp": "10", "g": "1", "preset": "ultrafast"}
    plan = ClipPlan(frames=40, time_base=Fraction(1, 1000), options=every_frame_alone)
    make_clip(tmp_path / "a.mkv", plan)
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    with av.open(str(tmp_path / "a.mkv")) as container:
        body = [bytes(p) for p in container.demux(video=0) if p.size][20]
    start = data.find(body)
    data[start : start + len(body)] = bytes(len(body))
    (tmp_path / "b.mkv").write_bytes(bytes(data))
    with ClipReader(tmp_path / "b.mkv") as reader:
        times = np.concatenate([batch.pts for batch in reader])
    assert list(times) == [40 * index for index in range(40) if index != 20]
    assert reader.notes[-1] == "1 damaged packets of b.mkv skipped"


BAD = {
    "missing": "does not exist",
    "directory": "is a directory",
    "empty": "is empty",
    "text": "is not a video",
    "truncated": "is truncated",
    "sound": "no video stream",
}


def make_bad(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.mp4"
    if kind == "directory":
        path.mkdir()
    elif kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("This is not a film.\n" * 50)
    elif kind == "truncated":
        make_clip(folder / "whole.mp4")
        truncate(folder / "whole.mp4", path, 0.6)
    elif kind == "sound":
        with av.open(str(path), "w") as output:
            stream = output.add_stream("aac", rate=48000, layout="mono")
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, "fltp", "mono")
            frame.sample_rate = 48000
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_says_why_and_what_to_do(kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=BAD[kind]) as caught, ClipReader(make_bad(kind, tmp_path)):
        pass
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_a_clip_whose_frames_are_all_damaged_is_refused(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", ClipPlan(frames=3, time_base=Fraction(1, 1000)))
    data = bytearray((tmp_path / "a.mkv").read_bytes())
    with av.open(str(tmp_path / "a.mkv")) as container:
        bodies = [bytes(p) for p in container.demux(video=0) if p.size]
    for body in bodies:
        start = data.find(body)
        data[start : start + len(body)] = bytes(len(body))
    (tmp_path / "b.mkv").write_bytes(bytes(data))
    with pytest.raises(InputError, match="no frame"):
        probe(tmp_path / "b.mkv")


def test_no_error_class_of_the_library_escapes() -> None:
    kinds = [c for c in vars(av.error).values() if isinstance(c, type)]
    kinds = [c for c in kinds if issubclass(c, av.error.FFmpegError)]
    assert len(kinds) > 30
    for kind in kinds:
        with pytest.raises(InputError), failures.reading(Path("x")):
            raise kind(1, "reason", "x")
        with pytest.raises(failures.MagdrError), failures.writing(Path("x")):
            raise kind(1, "reason", "x")


@pytest.mark.parametrize("name", ["two words", "it's", 'a "quote"', "é-😀", "-dash", "a:b%03d"])
def test_any_file_name_is_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_clip(tmp_path / "plain.mp4", ClipPlan(frames=2))
    (tmp_path / "plain.mp4").rename(tmp_path / f"{name}.mp4")
    monkeypatch.chdir(tmp_path)
    assert sum(map(len, read(Path(f"{name}.mp4")))) == 2


def test_streams_and_tags_are_described(tmp_path: Path) -> None:
    plan = ClipPlan(sounds=[Sound()], metadata={"title": "T", "own_key": "v"})
    make_clip(tmp_path / "a.mp4", plan)
    info = probe(tmp_path / "a.mp4")
    assert [(s.kind, s.kept) for s in info.streams] == [("video", True), ("audio", False)]
    assert info.metadata["title"] == "T" and info.metadata["own_key"] == "v"
    assert info.codec == "h264" and info.frame_count_hint == 12


def test_batches_of_huge_frames_are_shorter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4")
    whole = joined(read(tmp_path / "a.mp4"), 0)
    for frames, lengths in ((5, [5, 5, 2]), (0.5, [1] * 12)):
        monkeypatch.setattr(batching, "MOST_BYTES", int(frames * 64 * 48 * 1.5))
        found = read(tmp_path / "a.mp4")
        assert [len(batch) for batch in found] == lengths
        np.testing.assert_array_equal(joined(found, 0), whole)


@pytest.mark.parametrize(
    ("batch", "sizes"), [(16, [4, 4, 8, 16, 16, 12]), (6, [4, 4] + [6] * 8 + [4]), (3, [3] * 20)]
)
def test_the_first_batches_are_small_where_that_is_asked_for(
    batch: int, sizes: list[int], tmp_path: Path
) -> None:
    make_clip(tmp_path / "clip.mkv", ClipPlan(frames=60))
    with ClipReader(tmp_path / "clip.mkv", batch=batch, opening=OPENING) as reader:
        batches = list(reader)
    assert [len(one) for one in batches] == sizes
    assert [one.first_index for one in batches] == [sum(sizes[:n]) for n in range(len(sizes))]


def test_small_first_batches_leave_the_joints_of_segments_where_they_are() -> None:
    for batch in (CPU_BATCH, DEVICE_BATCH):
        assert sum(OPENING) % batch == 0 and max(OPENING) <= batch
