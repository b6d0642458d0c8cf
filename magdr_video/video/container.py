"""Whole files: films side by side, and other containers; by the ffmpeg that imageio-ffmpeg has."""

from __future__ import annotations

import subprocess
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any
from unicodedata import normalize

import ffmpeg
import imageio_ffmpeg
from PIL import Image, ImageDraw, ImageFont

from magdr_video.errors import OutputError, RuntimeFailure
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.failures import check_readable, writing
from magdr_video.video.reader import probe
from magdr_video.video.target import ISO, muxer_of

LAST_LINES = 20
"""Lines of a child's messages that are kept for the error."""
TALLEST = 720
"""Height of a comparison film at most, so that three films fit on a screen."""


def side_by_side(
    inputs: Sequence[Path],
    labels: Sequence[str],
    target: Path,
    *,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Show films next to each other, each with its label, with the sound of the first.

    All are shown upright with square pixels at the height of the first (720 at most, even). The
    label is burnt into the top left corner. The frames and their times are those of the first
    film; beside each stands the frame of the others that is nearest in time, so that containers
    that round times differently (Matroska: to the millisecond) add no frames.

    Args:
        inputs: at least one film.
        labels: a short line for each.
        target: the film to write, H.264; replaced if it exists.
        metadata: tags of the container.

    Raises:
        ValueError: not as many labels as inputs, or none.
        InputError: an input cannot be read.
        OutputError: the target cannot be written.
        RuntimeFailure: ffmpeg fails; its last lines are in the message.
    """
    if not inputs or len(inputs) != len(labels):
        raise ValueError(f"{len(inputs)} films and {len(labels)} labels, must be equal and not 0")
    infos = [probe(path) for path in inputs]
    height = min(infos[0].height, TALLEST) // 2 * 2
    with TemporaryDirectory() as folder:
        shown = []
        for number, (path, info, label) in enumerate(zip(inputs, infos, labels, strict=True)):
            strip = Path(folder) / f"label{number}.png"
            _draw_label(label, height).save(strip)
            shown.append(_labelled(path, info, height, strip))
        film = _in_a_row(shown, [_shown_width(info, height) for info in infos], height)
        streams = [film, *_sound(inputs[0], infos[0])]
        _write(
            streams,
            target,
            {
                "vcodec": "libx264",
                "crf": 18,
                "pix_fmt": "yuv420p",
                "preset": "veryfast",
                "acodec": "aac",
                "fps_mode": "passthrough",
                # The encoder would count in the rate that ffmpeg guesses: exact times need finer.
                "enc_time_base": "filter",
                "colorspace": "bt709",
                "color_range": "tv",
                **({"movflags": "use_metadata_tags"} if muxer_of(target) in ISO else {}),
            },
            metadata,
            # Sound that begins a little earlier would otherwise shift the pictures of its film.
            ["-copyts"],
        )


def remux(source: Path, target: Path) -> None:
    """Copy all streams of a file into another container, without re-encoding.

    Raises:
        InputError: the source is missing or empty.
        OutputError: the target is the source, or cannot be written.
        RuntimeFailure: ffmpeg fails, such as for a stream that the container cannot hold.
    """
    check_readable(source)
    if target.exists() and target.samefile(source):
        raise OutputError(f"{target} is the input", hint="name another output")
    _write([ffmpeg.input(_name(source))], target, {"codec": "copy", "map": "0"})


def _labelled(path: Path, info: ClipInfo, height: int, strip: Path) -> Any:
    """The film's filter chain: square pixels, one height, label on top."""
    film = ffmpeg.input(_name(path))[f"v:{_video_number(info)}"]
    film = film.filter(
        "scale",
        _shown_width(info, height),
        height,
        in_color_matrix=info.colour.matrix,
        in_range="full" if info.colour.full_range else "limited",
        out_color_matrix="bt709",
        out_range="limited",
    ).filter("setsar", 1)
    return ffmpeg.overlay(film, ffmpeg.input(_name(strip)), x=0, y=0, eof_action="repeat")


def _shown_width(info: ClipInfo, height: int) -> int:
    """Width with square pixels, even for the sake of 4:2:0."""
    return max(2, round(height * info.width * info.sample_aspect / info.height / 2) * 2)


def _in_a_row(films: list[Any], widths: list[int], height: int) -> Any:
    """The first film on a wide canvas, the others laid over it.

    hstack would emit a frame for every time that occurs in any film; an overlay follows its first.
    """
    row, x = films[0], widths[0]
    if len(films) > 1:
        row = row.filter("pad", sum(widths), height, 0, 0)
    for film, width in zip(films[1:], widths[1:], strict=True):
        row = ffmpeg.overlay(row, film, x=x, y=0, eof_action="repeat", ts_sync_mode="nearest")
        x += width
    return row


def _video_number(info: ClipInfo) -> int:
    """The number of the clip's stream among the videos of its file."""
    videos = [note.index for note in info.streams if note.kind == "video"]
    return videos.index(info.video_stream_index)


def _sound(path: Path, info: ClipInfo) -> list[Any]:
    has_sound = any(note.kind == "audio" for note in info.streams)
    return [ffmpeg.input(_name(path))["a:0"]] if has_sound else []


def _draw_label(text: str, height: int) -> Image.Image:
    """White on half-transparent black, a fourteenth of the film's height.

    Drawn with Pillow's own font: ffmpeg's drawtext needs a font of the system, which may have none.
    """
    # The font has the letters of ASCII only: accents are taken off.
    text = normalize("NFKD", text).encode("ascii", "ignore").decode()
    size = max(10, height // 18)
    font = ImageFont.load_default(size)
    left, top, right, bottom = ImageDraw.Draw(Image.new("RGBA", (1, 1))).textbbox(
        (0, 0), text, font=font
    )
    margin = max(2, size // 3)
    box = (round(right - left) + 2 * margin, round(bottom - top) + 2 * margin)
    strip = Image.new("RGBA", box, (0, 0, 0, 150))
    ImageDraw.Draw(strip).text((margin - left, margin - top), text, font=font, fill="white")
    return strip


def _name(path: Path) -> str:
    """A path that cannot be an option or a protocol, with % left alone."""
    return f"file:{path.absolute()}"


def _write(
    streams: list[Any],
    target: Path,
    options: dict[str, Any],
    metadata: Mapping[str, str] = MappingProxyType({}),
    more: Sequence[str] = (),
) -> None:
    """Run one ffmpeg into a part file, and rename that when it is whole."""
    part = target.with_name(f".{target.name}.part")
    output = ffmpeg.output(*streams, _name(part), format=muxer_of(target), **options)
    command = ffmpeg.compile(
        output.global_args("-hide_banner", "-nostdin", "-loglevel", "warning", *more),
        cmd=imageio_ffmpeg.get_ffmpeg_exe(),
        overwrite_output=True,
    )
    # ffmpeg-python knows no option that is given more than once.
    place = command.index(_name(part))
    command[place:place] = [w for key, v in metadata.items() for w in ("-metadata", f"{key}={v}")]
    try:
        with writing(target):
            if not target.parent.is_dir():
                raise OutputError(f"folder {target.parent} does not exist", hint="make it first")
            run_child(command, f"writing {target}")
            part.replace(target)
    finally:
        with suppress(OSError):
            part.unlink()


def run_child(command: Sequence[str], task: str) -> None:
    """Run a child to its end, reading all it says so that it never waits for us.

    Raises:
        RuntimeFailure: it ends with another code than 0; its last lines are in the message.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as child:
        assert child.stderr is not None
        try:
            last = deque(child.stderr, LAST_LINES)
            code = child.wait()
        except BaseException:
            child.kill()
            raise
    if code:
        said = " | ".join(line.strip() for line in last).strip() or "nothing"
        raise RuntimeFailure(f"{task} failed with code {code}; ffmpeg said: {said}")
