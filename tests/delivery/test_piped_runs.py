"""The program in a pipe: reads once, writes nothing but the film, ends as a filter ends."""

from __future__ import annotations

import hashlib
import io
import json
import os
import select
import signal
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from magdr_video.types import FrameBatch
from magdr_video.video.reader import ClipReader
from tests.clips import ClipPlan, Sound, make_clip, vfr_times
from tests.forked import finish, fork, program
from tests.standins import without_networks

MILLI = Fraction(1, 1000)
EXACT = ("--encoder-preset", "ultrafast", "--crf", "0")
RICH = ClipPlan(
    frames=30,
    pts=[40 * index for index in range(30)],
    time_base=MILLI,
    sounds=[Sound(), Sound(language="deu", start=Fraction(3, 10))],
    subtitles=["eng"],
    chapters=True,
    metadata={"title": "A title"},
)


@pytest.fixture(autouse=True)
def _no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    without_networks(monkeypatch)


def lumas(film: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(film)) as container:
        return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]


def packets(film: bytes, kind: str) -> dict[int, list[bytes]]:
    with av.open(io.BytesIO(film)) as container:
        found: dict[int, list[bytes]] = {}
        for packet in container.demux():
            if packet.stream.type == kind and packet.size:
                found.setdefault(packet.stream_index, []).append(bytes(packet))
        return found


def fragmented(source: Path, target: Path) -> Path:
    """A copy as an MP4 in fragments."""
    options = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    with av.open(str(source)) as old, av.open(str(target), "w", container_options=options) as new:
        copies = {s.index: new.add_stream_from_template(s, opaque=True) for s in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = copies[packet.stream_index]
                new.mux(packet)
    return target


def assert_inverted(film: bytes, made: list[Any]) -> None:
    shown = lumas(film)
    assert len(shown) == len(made)
    for picture, planes in zip(shown, made, strict=True):
        np.testing.assert_array_equal(picture, 255 - planes[0])


@pytest.mark.parametrize("pipe_format", ["matroska", "mpegts", "mp4", "nut"])
def test_a_film_goes_through_with_every_frame_and_all_sound(
    pipe_format: str, tmp_path: Path
) -> None:
    source = tmp_path / "a.mkv"
    made = make_clip(source, RICH)
    code, film, words = finish(
        program("defend", "-", "-o", "-", "--task", "edit", "--format", pipe_format, *EXACT),
        source.read_bytes(),
    )
    assert code == 0, words
    with av.open(io.BytesIO(film)) as container:
        assert pipe_format in container.format.name or pipe_format == container.format.name
    assert_inverted(film, made)
    assert list(packets(film, "audio").values()) == list(
        packets(source.read_bytes(), "audio").values()
    )


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".nut", ".mp4"])
def test_standard_input_may_be_any_container_that_needs_no_way_back(
    suffix: str, tmp_path: Path
) -> None:
    source = tmp_path / f"a{suffix}"
    plan = ClipPlan(frames=20, pts=vfr_times(20), sounds=[Sound()])
    if suffix == ".mkv":
        plan = ClipPlan(frames=20, time_base=MILLI, sounds=[Sound()])
    made = make_clip(source, plan)
    if suffix == ".mp4":
        source = fragmented(source, tmp_path / "b.mp4")
    target = tmp_path / "out.mp4"
    code, _, words = finish(
        program("defend", "-", "-o", target, "--task", "edit", *EXACT), source.read_bytes()
    )
    assert code == 0, words
    assert_inverted(target.read_bytes(), made)
    with ClipReader(source) as before, ClipReader(target) as after:
        old, new = next(iter(before)), next(iter(after))
    started = [b.pts * float(b.time_base) for b in (old, new)]
    np.testing.assert_allclose(started[1] - started[1][0], started[0] - started[0][0], atol=1e-9)
    assert packets(target.read_bytes(), "audio") == packets(source.read_bytes(), "audio")


def test_sound_keeps_its_offset_through_a_pipe(tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    make_clip(source, RICH)
    _, film, _ = finish(
        program("defend", "-", "-o", "-", "--task", "edit", *EXACT), source.read_bytes()
    )
    (tmp_path / "b.mkv").write_bytes(film)
    starts = []
    for path in (source, tmp_path / "b.mkv"):
        with av.open(str(path)) as container:
            first: dict[int, float] = {}
            for packet in container.demux():
                if packet.pts is not None:
                    first.setdefault(packet.stream_index, float(packet.pts * packet.time_base))
        starts.append([first[index] - first[0] for index in sorted(first)])
    np.testing.assert_allclose(starts[1], starts[0], atol=0.0011)


def test_chapters_and_tags_go_through_a_pipe(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    _, film, _ = finish(
        program("defend", "-", "-o", "-", "--task", "edit", *EXACT),
        (tmp_path / "a.mkv").read_bytes(),
    )
    with av.open(io.BytesIO(film)) as container:
        assert [c["metadata"]["title"] for c in container.chapters()] == ["first", "second"]
        tags = {key.lower(): value for key, value in container.metadata.items()}
    assert tags["title"] == "A title"
    assert "AI-modified" in tags["comment"]


def test_an_mp4_with_its_index_at_the_end_is_3_and_says_why(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mp4")
    code, film, words = finish(
        program("defend", "-", "-o", "-", "--task", "edit"), (tmp_path / "a.mp4").read_bytes()
    )
    assert (code, film) == (3, b"")
    assert "index lies at its end" in words and "faststart" in words


@pytest.mark.parametrize(("given", "reason"), [(b"", "empty"), (b"no film\n" * 99, "not a video")])
def test_what_is_no_film_on_standard_input_is_3(given: bytes, reason: str) -> None:
    code, film, words = finish(program("defend", "-", "-o", "-", "--task", "edit"), given)
    assert (code, film) == (3, b"")
    assert reason in words


def test_the_report_tells_the_hashes_of_both_pipes(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    given, report = (tmp_path / "a.mkv").read_bytes(), tmp_path / "r.json"
    arguments = ("defend", "-", "-o", "-", "--task", "edit", "--report", report)
    code, film, words = finish(program(*arguments), given)
    assert code == 0, words
    document = json.loads(report.read_text("utf-8"))
    hashes = {"input": given, "output": film}
    assert document["sha256"] == {k: hashlib.sha256(v).hexdigest() for k, v in hashes.items()}
    assert document["run"]["frames_out"] == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mkv", "r.json"]


def test_what_libraries_print_does_not_get_into_the_film(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def chatter(batch: FrameBatch) -> None:
        print("a word")
        os.write(1, b"more words\n")

    without_networks(monkeypatch, chatter)
    made = make_clip(tmp_path / "a.mkv", RICH)
    code, film, words = finish(
        program("defend", tmp_path / "a.mkv", "-o", "-", "--task", "edit", *EXACT)
    )
    assert code == 0
    assert_inverted(film, made)
    assert b"word" not in film and "more words" in words


def test_a_closed_pipe_ends_the_run_without_a_word_and_with_141(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", ClipPlan(frames=60, width=320, height=240, time_base=MILLI))
    arguments = ("defend", tmp_path / "a.mkv", "-o", "-", "--task", "edit", "--progress", "none")
    with fork(program(*arguments, *EXACT)) as child:
        child.given.close()
        assert child.film.read(1000)
        child.film.close()
        assert child.words.read() == b""
        assert child.wait() == 141


def test_the_film_flows_before_the_input_ends(tmp_path: Path) -> None:
    plan = ClipPlan(frames=300, width=160, height=120, time_base=MILLI)
    make_clip(tmp_path / "a.mkv", plan)
    given = (tmp_path / "a.mkv").read_bytes()
    with fork(program("defend", "-", "-o", "-", "--task", "edit", "-q", *EXACT)) as child:
        os.set_blocking(child.given.fileno(), False)
        sent, film = 0, b""
        while not film:
            readable, writable, _ = select.select([child.film], [child.given], [])
            if writable:
                sent += child.given.write(given[sent : sent + 4096]) or 0
            if readable:
                film = child.film.read(4096)
        assert 0 < sent < len(given) * 3 // 4
        child.send(signal.SIGKILL)
        child.wait()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-", "-o", "-", "--json"), "--report"),
        (("-",), "-o"),
        (("a.mkv", "-o", "b.mkv", "--format", "nut"), "-o -"),
        (("-", "a.mkv", "-o", "folder"), "alone"),
    ],
)
def test_pipes_that_do_not_fit_together_are_2(arguments: tuple[str, ...], reason: str) -> None:
    code, film, words = finish(program("defend", *arguments, "--task", "edit"))
    assert (code, film) == (2, b"")
    assert reason in words


def test_a_container_that_a_pipe_cannot_take_is_4() -> None:
    code, _, words = finish(program("defend", "-", "-o", "-", "--task", "edit", "--format", "avi"))
    assert code == 4
    assert "avi" in words


def test_detect_reads_standard_input(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    code, out, words = finish(
        program("detect", "-", "--task", "edit", "--json"), (tmp_path / "a.mkv").read_bytes()
    )
    assert code == 0, words
    assert json.loads(out)["run"]["frames_in"] == 30
