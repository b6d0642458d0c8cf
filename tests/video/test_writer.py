"""Clips written: frames in are frames out, at their times, in their colours, with all streams."""

from __future__ import annotations

import hashlib
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from magdr_video.errors import OutputError, RuntimeFailure, SettingsError
from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.encoder import fitting_format
from magdr_video.video.reader import ClipReader, probe
from magdr_video.video.writer import ClipWriter, target_suffix
from tests.clips import ClipPlan, Sound, make_clip, vfr_times

EXACT: dict[str, Any] = {"options": {"qp": "0"}, "preset": "ultrafast"}
MILLI = Fraction(1, 1000)


def copy(source: Path, target: Path, **flags: Any) -> ClipWriter:
    """Read a clip and write it as it is, with all its streams."""
    with (
        ClipReader(source) as reader,
        ClipWriter(target, reader.info, source=source, **(EXACT | flags)) as writer,
    ):
        for batch in reader:
            writer.write(batch)
    return writer


def whole(path: Path) -> FrameBatch:
    with ClipReader(path, batch=1000) as reader:
        return next(iter(reader))


CASES = {
    "variable rate": ClipPlan(pts=vfr_times(60)),
    "start that is not zero": ClipPlan(pts=vfr_times(12, start=54321)),
    "milliseconds": ClipPlan(time_base=MILLI),
    "B-frames": ClipPlan(frames=30, options={"qp": "0", "bf": "3", "preset": "fast"}),
    "4:2:2": ClipPlan(pixel_format="yuv422p"),
    "4:4:4": ClipPlan(pixel_format="yuv444p"),
    "odd 4:4:4": ClipPlan(pixel_format="yuv444p", width=63, height=65),
    "10 bits": ClipPlan(pixel_format="yuv420p10le"),
    "grey": ClipPlan(codec="ffv1", options={}, pixel_format="gray", time_base=MILLI),
    "one frame": ClipPlan(frames=1),
    "turned": ClipPlan(rotation=90, aspect=Fraction(12, 11)),
    "full range": ClipPlan(matrix=6, full_range=True, primaries=6, transfer=6),
    "BT.709": ClipPlan(matrix=1, primaries=1, transfer=1, aspect=Fraction(4, 3)),
    "BT.2020 PQ": ClipPlan(matrix=9, primaries=9, transfer=16, pixel_format="yuv420p10le"),
}


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("name", CASES)
def test_times_planes_and_colours_come_through(name: str, suffix: str, tmp_path: Path) -> None:
    plan = CASES[name]
    source = tmp_path / ("source.mkv" if plan.codec == "ffv1" else "source.mp4")
    make_clip(source, plan)
    target = tmp_path / f"target{suffix}"
    writer = copy(source, target)
    before, after = whole(source), whole(target)
    assert writer.frames == len(before) == len(after)
    rounding = 0.0005 if suffix == ".mkv" else 0
    np.testing.assert_allclose(
        after.pts * float(after.time_base),
        before.pts * float(before.time_base),
        rtol=0,
        atol=rounding + 1e-9,
    )
    for old, new in zip(before.planes, after.planes, strict=False):
        np.testing.assert_array_equal(old, new)
    assert replace(after.colour, guessed=before.colour.guessed) == before.colour
    old_info, new_info = probe(source), probe(target)
    assert new_info.sample_aspect == old_info.sample_aspect
    assert (new_info.width, new_info.height, new_info.rotation) == (
        old_info.width,
        old_info.height,
        0,
    )
    assert new_info.bits == old_info.bits


def test_times_that_the_container_rounds_are_noted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(pts=vfr_times(5)))
    assert any(
        "rounds times" in note for note in copy(tmp_path / "a.mp4", tmp_path / "b.mkv").notes
    )
    assert not copy(tmp_path / "a.mp4", tmp_path / "b.mp4").notes


def test_the_last_frame_keeps_its_duration(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=5))
    info = probe(tmp_path / "a.mp4")
    batch = whole(tmp_path / "a.mp4")
    longer = replace(batch, durations=np.array([3600] * 4 + [9000]))
    with ClipWriter(tmp_path / "b.mp4", info, **EXACT) as writer:
        writer.write(longer)
    assert probe(tmp_path / "b.mp4").duration == Fraction(4 * 3600 + 9000, 90000)


def test_an_odd_420_clip_keeps_size_luma_and_chroma(tmp_path: Path) -> None:
    plan = ClipPlan(codec="ffv1", options={}, width=63, height=65, time_base=MILLI)
    made = make_clip(tmp_path / "a.mkv", plan)
    writer = copy(tmp_path / "a.mkv", tmp_path / "b.mp4")
    after = whole(tmp_path / "b.mp4")
    assert (after.width, after.height, after.pixel_format) == (63, 65, "yuv444p")
    for plane, step in ((0, 1), (1, 2), (2, 2)):
        np.testing.assert_array_equal(
            after.planes[plane][:, ::step, ::step], [m[plane] for m in made]
        )
    assert any("yuv444p" in note for note in writer.notes)


def test_frames_of_one_time_are_all_written(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=6))
    batch = whole(tmp_path / "a.mp4")
    twice = replace(batch, pts=np.array([0, 3600, 3600, 3600, 7200, 10800]))
    with ClipWriter(tmp_path / "b.mp4", probe(tmp_path / "a.mp4"), **EXACT) as writer:
        writer.write(twice)
    assert list(whole(tmp_path / "b.mp4").pts) == [0, 3600, 3601, 3602, 7200, 10800]
    assert any("2 frames" in note for note in writer.notes)


@pytest.mark.parametrize(("pixel_format", "codec"), [("yuv420p", "vp9"), ("yuv420p10le", "av1")])
def test_webm_takes_vp9_or_av1_by_itself(pixel_format: str, codec: str, tmp_path: Path) -> None:
    plan = ClipPlan(frames=4, width=128, height=128, pixel_format=pixel_format)
    make_clip(tmp_path / "a.mp4", plan)
    copy(tmp_path / "a.mp4", tmp_path / "b.webm", options={}, preset=None)
    with av.open(str(tmp_path / "b.webm")) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec
    assert whole(tmp_path / "b.webm").pixel_format == pixel_format


def packets(path: Path, kind: str) -> list[list[tuple[str, float]]]:
    """(hash, time) of every packet of every stream of a kind."""
    with av.open(str(path)) as container:
        found: dict[int, list[tuple[str, float]]] = {}
        for packet in container.demux():
            if packet.stream.type == kind and packet.size and packet.pts is not None:
                second = float(packet.pts * packet.time_base)
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                found.setdefault(packet.stream_index, []).append((digest, second))
    return [found[index] for index in sorted(found)]


def assert_copied(source: Path, target: Path, kind: str, within: float) -> None:
    before, after = packets(source, kind), packets(target, kind)
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        assert [h for h, _ in old] == [h for h, _ in new]
        np.testing.assert_allclose([t for _, t in new], [t for _, t in old], rtol=0, atol=within)


RICH = ClipPlan(
    sounds=[Sound(language="eng"), Sound(language="deu", start=Fraction(3, 10))],
    subtitles=["eng", "fra"],
    chapters=True,
    attachment=b"not really a font",
    time_base=MILLI,
    metadata={"title": "A title"},
)


def test_matroska_keeps_every_stream_chapter_tag_and_attachment(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mkv", tmp_path / "b.mkv"
    make_clip(source, RICH)
    writer = copy(source, target, metadata={"comment": "made by us", "own_key": "own value"})
    assert all(note.kept for note in writer.streams)
    for kind in ("audio", "subtitle"):
        assert_copied(source, target, kind, 0.0011)
    with av.open(str(source)) as old, av.open(str(target)) as new:
        assert [s.type for s in old.streams] == [s.type for s in new.streams]
        assert [s.language for s in old.streams] == [s.language for s in new.streams]
        assert [(c["start"], c["metadata"]["title"]) for c in new.chapters()] == [
            (c["start"], c["metadata"]["title"]) for c in old.chapters()
        ]
        assert bytes(new.streams[-1].data) == b"not really a font"  # type: ignore[attr-defined]
    tags = {k.lower(): v for k, v in probe(target).metadata.items()}
    assert tags["title"] == "A title"
    assert (tags["comment"], tags["own_key"]) == ("made by us", "own value")


def test_mp4_keeps_sound_chapters_and_own_tags_and_names_what_it_drops(tmp_path: Path) -> None:
    source, target = tmp_path / "a.mkv", tmp_path / "b.mp4"
    make_clip(source, RICH)
    writer = copy(source, target, metadata={"comment": "made by us", "own_key": "own value"})
    dropped = {(n.kind, n.codec): n.reason for n in writer.streams if not n.kept}
    assert dropped.keys() == {("subtitle", "subrip"), ("attachment", "unknown")}
    assert all("mp4" in reason for reason in dropped.values())
    assert_copied(source, target, "audio", 0.0005)
    with av.open(str(target)) as container:
        titles = [c["metadata"]["title"] for c in container.chapters()]
        assert [s.language for s in container.streams.audio] == ["eng", "deu"]
    assert titles == ["first", "second"]
    tags = probe(target).metadata
    assert (tags["title"], tags["comment"]) == ("A title", "made by us")
    assert tags["own_key"] == "own value"
    again = copy(target, tmp_path / "c.mp4")
    chapter_tracks = [n for n in again.streams if "chapter track" in n.reason]
    assert len(chapter_tracks) == 1
    with av.open(str(tmp_path / "c.mp4")) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == titles


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("codec", ["aac", "mp2"])
def test_late_sound_stays_late_and_early_priming_moves_nothing(
    codec: str, suffix: str, tmp_path: Path
) -> None:
    source = tmp_path / "a.mp4"
    sounds = [Sound(codec=codec, start=Fraction(3, 10)), Sound(codec=codec)]
    make_clip(source, ClipPlan(sounds=sounds, pts=vfr_times(12)))
    copy(source, tmp_path / f"b{suffix}")
    assert_copied(source, tmp_path / f"b{suffix}", "audio", 0.0011)
    np.testing.assert_allclose(
        whole(tmp_path / f"b{suffix}").pts[0] * float(whole(tmp_path / f"b{suffix}").time_base),
        0,
        atol=1e-9,
    )


def test_sound_is_interleaved_with_the_picture(tmp_path: Path) -> None:
    sound = Sound(seconds=4)
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=100, sounds=[sound]))
    copy(tmp_path / "a.mp4", tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        order = [(p.pos, float(p.dts * p.time_base)) for p in container.demux() if p.size]
    order.sort()
    worst = max(later - now for (_, later), (_, now) in pairwise(order))
    assert worst < 1.5


def test_a_source_without_picture_lends_its_sound(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "tone.wav"), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.ones((1, 4800), np.int16), "s16", "mono")
        frame.sample_rate = 48000
        output.mux(stream.encode(frame))
    make_clip(tmp_path / "a.mp4")
    with ClipWriter(
        tmp_path / "b.mkv", probe(tmp_path / "a.mp4"), source=tmp_path / "tone.wav", **EXACT
    ) as writer:
        writer.write(whole(tmp_path / "a.mp4"))
    assert [s.kind for s in probe(tmp_path / "b.mkv").streams] == ["video", "audio"]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(".mp4", ".mp4"), (".MKV", ".mkv"), (".avi", ".mp4"), (".mpg", ".mp4"), (".ts", ".ts"),
     (".webm", ".webm"), ("", ".mp4")],
)  # fmt: skip
def test_containers_without_exact_times_become_mp4(given: str, wanted: str) -> None:
    assert target_suffix(given) == wanted


def test_sound_that_mp4_cannot_hold_asks_for_matroska(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound = output.add_stream("wmav2", rate=48000, layout="mono")
        sound.bit_rate = 64000
        output.mux(video.encode(av.VideoFrame(64, 48)))
        output.mux(video.encode(None))
        output.mux(sound.encode(None))
    assert target_suffix(probe(tmp_path / "a.avi")) == ".mkv"


def test_no_file_appears_before_it_is_whole(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    info = probe(tmp_path / "a.mp4")
    with ClipWriter(tmp_path / "b.mp4", info, **EXACT) as writer:
        writer.write(whole(tmp_path / "a.mp4"))
        assert not (tmp_path / "b.mp4").exists()
        assert (tmp_path / ".b.mp4.part").exists()
    assert (tmp_path / "b.mp4").exists()
    assert not (tmp_path / ".b.mp4.part").exists()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_failure_leaves_nothing_behind(error: type[BaseException], tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(sounds=[Sound()]))
    source = tmp_path / "a.mp4"
    with (
        pytest.raises(error),
        ClipWriter(tmp_path / "b.mp4", probe(source), source=source, **EXACT) as writer,
    ):
        writer.write(whole(source))
        raise error
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes, as on a disk that is full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_full_disk_is_an_output_error_and_leaves_nothing(suffix: str, tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=60, width=320, height=240))
    with room_for(40_000), pytest.raises(OutputError, match="space") as caught:
        copy(tmp_path / "a.mp4", tmp_path / f"b{suffix}")
    assert caught.value.exit_code == 7
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_targets_that_must_not_be_written_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "a.mp4"
    make_clip(source)
    (tmp_path / "b.mp4").write_text("mine")
    (tmp_path / "c.mp4").mkdir()
    (tmp_path / "link.mp4").symlink_to(source)
    for name, reason in {
        "a.mp4": "is the input",
        "link.mp4": "is the input",
        "b.mp4": "exists",
        "c.mp4": "directory",
        "no/d.mp4": "cannot write",
    }.items():
        with pytest.raises(OutputError, match=reason):
            copy(source, tmp_path / name, overwrite=name in ("a.mp4", "link.mp4"))
    assert (tmp_path / "b.mp4").read_text() == "mine"
    copy(source, tmp_path / "b.mp4", overwrite=True)
    assert len(whole(tmp_path / "b.mp4")) == 12


def test_a_clip_without_frames_is_not_written(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    with (
        pytest.raises(RuntimeFailure, match="no frame"),
        ClipWriter(tmp_path / "b.mp4", probe(tmp_path / "a.mp4")),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_frames_of_another_size_are_refused_with_both_sizes(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    make_clip(tmp_path / "b.mp4", ClipPlan(width=32))
    with (
        pytest.raises(ValueError, match=r"32.*64"),
        ClipWriter(tmp_path / "c.mp4", probe(tmp_path / "a.mp4"), **EXACT) as writer,
    ):
        writer.write(whole(tmp_path / "b.mp4"))


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ({"vcodec": "libx265x"}, "no encoder"),
        ({"vcodec": "aac"}, "not video"),
        ({"pix_fmt": "yuv999p"}, "no pixel format"),
        ({"options": {"nonsense": "1"}}, "no option 'nonsense'"),
        ({"vcodec": "libvpx"}, "cannot hold"),
    ],
)
def test_encoder_settings_that_do_not_exist_are_named(
    flags: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    make_clip(tmp_path / "a.mp4")
    with pytest.raises(SettingsError, match=reason) as caught:
        copy(tmp_path / "a.mp4", tmp_path / "b.mp4", **flags)
    assert caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_hardware_encoder_that_cannot_open_is_replaced_and_noted(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(width=256, height=256))
    writer = copy(tmp_path / "a.mp4", tmp_path / "b.mp4", vcodec="h264_vaapi", options={})
    assert len(whole(tmp_path / "b.mp4")) == 12
    assert any("libx264 instead" in note for note in writer.notes)


def test_the_format_that_loses_least_is_chosen() -> None:
    def fit(encoder: str, pixel_format: str, width: int = 64) -> str:
        return fitting_format(encoder, ClipInfo.synthetic(width, 48, 25, pixel_format=pixel_format))

    assert fit("libx264", "yuv422p10le") == "yuv422p10le"
    assert fit("libx264", "yuv420p12le") == "yuv420p10le"
    assert fit("libvpx-vp9", "gray") == "yuv420p"
    assert fit("libsvtav1", "yuv444p") == "yuv420p"
    assert fit("libx264", "yuv420p", width=63) == "yuv444p"
    assert fit("libvpx-vp9", "yuv420p", width=63) == "yuv420p"


@pytest.mark.parametrize("name", ["two words", "it's", 'a "quote"', "é-😀", "-dash", "a:b%03d"])
def test_any_file_name_is_written(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "a.mp4", ClipPlan(frames=2))
    monkeypatch.chdir(tmp_path)
    copy(Path("a.mp4"), Path(f"{name}.mp4"))
    assert len(whole(tmp_path / f"{name}.mp4")) == 2
