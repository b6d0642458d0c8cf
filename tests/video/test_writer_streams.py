"""Everything but the picture: sound, subtitles, chapters, attachments, tags."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from magdr_video.video.reader import probe
from magdr_video.video.writer import ClipWriter, target_suffix
from tests.clips import ClipPlan, Sound, make_clip, vfr_times
from tests.video.copying import EXACT, MILLI, copy, whole


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
    # Longer than the 10 s for which the muxer puts packets in order by itself.
    fifth = [18000 * index for index in range(150)]
    make_clip(tmp_path / "a.mp4", ClipPlan(pts=fifth, sounds=[Sound(seconds=30)]))
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


@pytest.mark.parametrize(
    ("given", "wanted"),
    [(".mp4", ".mp4"), (".MKV", ".mkv"), (".avi", ".mp4"), (".mpg", ".mp4"), (".ts", ".ts"),
     (".webm", ".webm"), ("", ".mp4")],
)  # fmt: skip
def test_containers_without_exact_times_become_mp4(given: str, wanted: str) -> None:
    assert target_suffix(given) == wanted


def test_sound_packets_of_one_time_are_all_kept(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", ClipPlan(sounds=[Sound()], time_base=MILLI))
    with av.open(str(tmp_path / "a.mkv")) as old, av.open(str(tmp_path / "b.mkv"), "w") as new:
        copies = [new.add_stream_from_template(s, opaque=True) for s in old.streams]
        for packet in old.demux():
            if packet.dts is None or packet.pts is None:
                continue
            if packet.stream.type == "audio":  # in pairs: 0, 0, 48, 48, 96, ...
                packet.pts = packet.dts = packet.pts // 48 * 48
            packet.stream = copies[packet.stream_index]
            new.mux(packet)
    (before,) = packets(tmp_path / "b.mkv", "audio")
    assert len({second for _, second in before}) < len(before)
    copy(tmp_path / "b.mkv", tmp_path / "c.mp4")
    (after,) = packets(tmp_path / "c.mp4", "audio")
    assert [digest for digest, _ in after] == [digest for digest, _ in before]
    assert all(later > now for (_, now), (_, later) in pairwise(after))
