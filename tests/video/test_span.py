"""Parts of a clip: cut on decoded frames, sound at the same instants, times from the start."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from magdr_video.errors import SettingsError, UsageError
from magdr_video.video.reader import ClipReader
from magdr_video.video.span import WHOLE, Span, parse_instant, parse_span
from magdr_video.video.writer import ClipWriter
from tests.clips import ClipPlan, Sound, make_clip, vfr_times
from tests.video.copying import EXACT, whole

MILLI = Fraction(1, 1000)
RICH = ClipPlan(
    frames=50,
    options={"qp": "0", "bf": "3", "g": "25"},
    sounds=[Sound(seconds=2), Sound(seconds=2, start=Fraction(1, 2), language="deu")],
    subtitles=["eng"],
    chapters=True,
    time_base=MILLI,
)
"""2 s at 25 frames a second, chapters at 0 to 0.2 s and to 0.48 s, subtitles at 0.1 and 0.3 s."""


def copy_part(source: Path, target: Path, span: Span, *, tapped: bool = False) -> ClipReader:
    with (
        ClipReader(source, batch=7, span=span, tapped=tapped) as reader,
        ClipWriter(
            target, reader.info, source=reader.tap or source, stretch=reader.stretch, **EXACT
        ) as writer,
    ):
        for batch in reader:
            writer.write(batch)
    return reader


def times(path: Path, kind: str) -> dict[int, list[float]]:
    with av.open(str(path)) as container:
        found: dict[int, list[float]] = {}
        for packet in container.demux():
            if packet.stream.type == kind and packet.pts is not None:
                seconds = float(packet.pts * packet.time_base)
                found.setdefault(packet.stream_index, []).append(seconds)
    return found


@pytest.mark.parametrize(
    ("text", "seconds", "frame"),
    [
        ("12.5", Fraction(25, 2), None),
        ("0", Fraction(0), None),
        ("2:03", Fraction(123), None),
        ("1:02:03.500", Fraction(7447, 2), None),
        ("120f", None, 120),
    ],
)
def test_places_are_seconds_clocks_or_frames(
    text: str, seconds: Fraction | None, frame: int | None
) -> None:
    instant = parse_instant(text, "--start")
    assert (instant.seconds, instant.frame) == (seconds, frame)


@pytest.mark.parametrize("text", ["", "-1", "1:75", "1:2:3:4", "f", "1.5f", "noon", "1e3"])
def test_what_is_no_place_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="no place") as caught:
        parse_instant(text, "--end")
    assert "120f" in caught.value.hint


@pytest.mark.parametrize(("start", "end"), [("2", "1"), ("5f", "5f"), (None, "0"), ("1:00", "60")])
def test_a_part_that_ends_before_it_starts_is_refused(start: str | None, end: str) -> None:
    with pytest.raises(SettingsError):
        parse_span(start, end)


@pytest.mark.parametrize("tapped", [False, True])
@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("10f", "30f", 10, 30),  # neither is a key frame
        ("0.41", "1.2", 11, 30),
        (None, "13f", 0, 13),
        ("0:00:01.000", None, 25, 50),
        ("0", "99", 0, 50),
    ],
)
def test_the_frames_of_the_part_and_no_others(
    start: str | None, end: str | None, first: int, last: int, tapped: bool, tmp_path: Path
) -> None:
    made = make_clip(tmp_path / "a.mkv", RICH)
    copy_part(tmp_path / "a.mkv", tmp_path / "b.mkv", parse_span(start, end), tapped=tapped)
    after = whole(tmp_path / "b.mkv")
    np.testing.assert_array_equal(after.planes[0], [planes[0] for planes in made[first:last]])
    assert list(after.pts) == [40 * index for index in range(last - first)]


@pytest.mark.parametrize("tapped", [False, True])
def test_sound_is_cut_at_the_same_instants(tapped: bool, tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    copy_part(tmp_path / "a.mkv", tmp_path / "b.mkv", parse_span("10f", "1.2"), tapped=tapped)
    before = times(tmp_path / "a.mkv", "audio")
    after = times(tmp_path / "b.mkv", "audio")
    for stream, old in before.items():
        wanted = [second - 0.4 for second in old if 0.4 <= second < 1.2]
        np.testing.assert_allclose(after[stream], wanted, atol=0.0011)
        assert len(wanted) > 10


def test_a_frame_as_the_end_cuts_sound_where_that_frame_lies(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    copy_part(tmp_path / "a.mkv", tmp_path / "b.mkv", parse_span(None, "20f"), tapped=True)
    for heard in times(tmp_path / "b.mkv", "audio").values():
        assert 0.75 < max(heard) < 0.8


def test_subtitles_and_chapters_move_with_the_part(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    copy_part(tmp_path / "a.mkv", tmp_path / "b.mkv", parse_span("0.2", "0.4"))
    # The first line is shown from 0.1 to 0.25 s: it goes on for 0.05 s.
    assert times(tmp_path / "b.mkv", "subtitle") == {3: [0.0, 0.1]}
    with av.open(str(tmp_path / "b.mkv")) as container:
        scale = Fraction(container.chapters()[0]["time_base"] or 1)
        found = [(c["start"] * scale, c["end"] * scale) for c in container.chapters()]
        assert [c["metadata"]["title"] for c in container.chapters()] == ["second"]
    assert found == [(0, Fraction(1, 5))]


def test_a_part_begins_when_the_clip_began(tmp_path: Path) -> None:
    times_of = vfr_times(20, start=54321)
    make_clip(tmp_path / "a.mp4", ClipPlan(pts=times_of))
    copy_part(tmp_path / "a.mp4", tmp_path / "b.mp4", parse_span("5f", None))
    moved = times_of[5] - times_of[0]
    assert list(whole(tmp_path / "b.mp4").pts) == [t - moved for t in times_of[5:]]


@pytest.mark.parametrize(
    ("span", "reason"),
    [(("60f", None), "number 49"), (("9", None), "1.960 s"), (("45f", "0.5"), "no frame")],
)
def test_a_part_outside_the_clip_says_where_it_ends(
    span: tuple[Any, Any], reason: str, tmp_path: Path
) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    with (
        pytest.raises(SettingsError, match=reason),
        ClipReader(tmp_path / "a.mkv", span=parse_span(*span)),
    ):
        pass


def test_without_a_span_nothing_is_moved(tmp_path: Path) -> None:
    make_clip(tmp_path / "a.mkv", RICH)
    with ClipReader(tmp_path / "a.mkv", span=WHOLE) as reader:
        list(reader)
    assert (reader.stretch.begin, reader.stretch.end, reader.stretch.shift) == (None, None, 0)


@pytest.mark.parametrize(
    ("start", "end", "duration", "length"),
    [
        (None, None, 10, 10),
        (None, None, None, None),
        ("2.5", None, 10, Fraction(15, 2)),
        ("2.5", None, None, None),
        (None, "4", 10, 4),
        (None, "4", None, 4),
        ("1", "40", 10, 9),
        ("50f", "100f", 10, 2),
        ("20", None, 10, 0),
    ],
)
def test_the_length_of_a_part_is_known_before_it_is_read(
    start: str | None, end: str | None, duration: int | None, length: Fraction | None
) -> None:
    whole = None if duration is None else Fraction(duration)
    assert parse_span(start, end).length(whole, Fraction(25)) == length
