"""Clips that are hard to carry through, each with what it proves."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from tests.clips import LOSSLESS, ClipPlan, Sound, vfr_times

MILLI = Fraction(1, 1000)
TENS = {"pixel_format": "yuv420p10le"}
ODD_PLANES = {"codec": "ffv1", "options": {}, "time_base": MILLI, "width": 321, "height": 241}
OLD_RATE = {"time_base": Fraction(1, 25), "options": {}}
"""Of old codecs, which know no times but a rate."""


@dataclass(frozen=True)
class Case:
    """A clip and how it is defended."""

    plan: ClipPlan
    suffix: str = ".mp4"
    flags: tuple[str, ...] = ("--encoder-preset", "ultrafast", "--crf", "0")
    becomes: str = ""
    """Extension of the output where it is not the input's."""


EXACT = Case(ClipPlan()).flags
HDR = (*EXACT, "--hdr", "passthrough")

CASES = {
    "variable rate": Case(ClipPlan(pts=vfr_times(40))),
    "variable rate in Matroska": Case(
        ClipPlan(pts=[t // 90 for t in vfr_times(40)], time_base=MILLI), ".mkv"
    ),
    "variable rate in MPEG-TS": Case(ClipPlan(pts=vfr_times(40)), ".ts"),
    "start that is not zero": Case(ClipPlan(pts=vfr_times(12, start=54321))),
    "B-frames": Case(ClipPlan(frames=40, options={"bf": "3", "crf": "1", "preset": "fast"})),
    "turned 90": Case(ClipPlan(rotation=90)),
    "turned 180": Case(ClipPlan(rotation=180)),
    "turned 270": Case(ClipPlan(rotation=270), ".mov"),
    "mirrored": Case(ClipPlan(rotation=180, mirrored=True)),
    "pixels that are not square": Case(ClipPlan(aspect=Fraction(16, 15))),
    "turned, pixels not square": Case(ClipPlan(rotation=90, aspect=Fraction(12, 11))),
    "odd 4:4:4": Case(ClipPlan(pixel_format="yuv444p", width=63, height=65)),
    "odd 4:2:0": Case(ClipPlan(**ODD_PLANES), ".mkv"),
    "4:2:2": Case(ClipPlan(pixel_format="yuv422p")),
    "turned 4:2:2": Case(ClipPlan(pixel_format="yuv422p", rotation=90, width=320, height=240)),
    "10 bits": Case(ClipPlan(**TENS)),
    "PQ": Case(ClipPlan(**TENS, matrix=9, primaries=9, transfer=16), flags=HDR),
    "HLG": Case(ClipPlan(**TENS, matrix=9, primaries=9, transfer=18), ".mkv", HDR),
    "BT.601": Case(ClipPlan(matrix=6, primaries=6, transfer=6)),
    "BT.709": Case(ClipPlan(matrix=1, primaries=1, transfer=1)),
    "BT.2020": Case(ClipPlan(**TENS, matrix=9, primaries=9, transfer=14)),
    "full range": Case(ClipPlan(matrix=1, primaries=1, transfer=1, full_range=True)),
    "everything beside the picture": Case(
        ClipPlan(
            frames=15,
            time_base=MILLI,
            sounds=[Sound(), Sound(language="deu")],
            subtitles=["eng", "fra"],
            chapters=True,
            attachment=b"font" * 50,
            metadata={"title": "A title"},
        ),
        ".mkv",
    ),
    "late sound": Case(ClipPlan(frames=20, sounds=[Sound(codec="aac", start=Fraction(3, 10))])),
    "two sounds in MPEG-TS": Case(
        ClipPlan(frames=20, sounds=[Sound(), Sound(language="deu", start=Fraction(1, 10))]), ".ts"
    ),
    "hard cuts": Case(ClipPlan(frames=20, cut_at=9)),
    "duplicate frames": Case(ClipPlan(frames=20, hold=5)),
    "one frame": Case(ClipPlan(frames=1)),
    "lossless of another codec": Case(ClipPlan(codec="ffv1", options={}, time_base=MILLI), ".mkv"),
    "VP9": Case(
        ClipPlan(
            frames=6, codec="libvpx-vp9", time_base=MILLI,
            options={"lossless": "1", "cpu-used": "8"},
        ),
        ".webm",
        ("-e", "cpu-used=8", "-e", "lossless=1"),
    ),
    "MPEG-4 in AVI": Case(ClipPlan(codec="mpeg4", **OLD_RATE), ".avi", becomes=".mp4"),
    "MPEG-1 in a program stream": Case(
        ClipPlan(codec="mpeg1video", **OLD_RATE), ".mpg", becomes=".mp4"
    ),
    "fragments of 10 bits 4:2:2": Case(
        ClipPlan(pixel_format="yuv422p10le", options=dict(LOSSLESS)), ".mov"
    ),
}  # fmt: skip

NAMES = (" a b ", 'it\'s "so" $HOME', "😀 ünï", "-dash", "new\nline", "[x]*?%d", ".hidden")
