"""A clip, or a self-made moving portrait with sound, protected, translated, defended.

The portrait is NASA's of Eileen Collins, in the public domain, which scikit-image carries in its
wheel; nothing is fetched.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from magdr_video.device import choose_device
from magdr_video.errors import OutputError
from magdr_video.protection import in_words, protect_clip
from magdr_video.provenance import output_metadata
from magdr_video.runs import check_paths, load_models, refuse_hdr, translate_clip
from magdr_video.settings import Settings, load_settings
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import rgb_to_batch
from magdr_video.video.container import side_by_side
from magdr_video.video.reader import probe
from magdr_video.video.sound import write_sound
from magdr_video.video.writer import ClipWriter

Say = Callable[[str], None]

RATE = 25
SIDE = 320
"""Frames are square, px; the crop of the face then has about the generator's own size."""
SAMPLE_RATE = 44100
FACE = (222.0, 115.0)
"""Centre of the face in the portrait, px."""
FIELD = 264.0
"""Side of the part of the portrait that fills a frame, px."""

NAMES = ("source.mp4", "protected.mkv", "undefended.mp4", "defended.mp4", "side-by-side.mp4")
"""Files that a demo leaves, in the order of the story."""


def portrait() -> NDArray[np.uint8]:
    """The portrait, (512, 512, 3) uint8."""
    from skimage import data

    return np.asarray(data.astronaut(), dtype=np.uint8)


def moving_portrait(seconds: float) -> Iterator[NDArray[np.uint8]]:
    """Frames (SIDE, SIDE, 3) of the portrait, panned, zoomed, turned and lit over time."""
    picture = portrait()
    for index in range(round(seconds * RATE)):
        phase = 2 * math.pi * index / RATE / 3.2
        zoom = SIDE / FIELD * (1 + 0.06 * math.sin(phase))
        turn = cv2.getRotationMatrix2D(FACE, 4 * math.sin(phase * 0.8), zoom)
        turn[0, 2] += SIDE / 2 - FACE[0] + 10 * math.sin(phase)
        turn[1, 2] += SIDE / 2 - FACE[1] + 6 * math.cos(phase * 0.9)
        frame = cv2.warpAffine(
            picture, turn, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT
        )
        light = 1 + 0.10 * math.sin(phase * 0.7)
        yield np.clip(frame.astype(np.float32) * light, 0, 255).astype(np.uint8)


def chimes(seconds: float) -> NDArray[np.float32]:
    """A quiet chord of decaying tones, (samples,) float32 in [-1, 1]."""
    at = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    out = np.zeros(len(at))
    for place, tone in enumerate((261.63, 329.63, 392.0, 523.25)):
        since = at - 0.25 * place
        out += np.where(since > 0, np.exp(-2 * since) * np.sin(2 * np.pi * tone * since), 0)
    quiet: NDArray[np.float32] = (out / np.abs(out).max() * 0.25).astype(np.float32)
    return quiet


def write_source(target: Path, seconds: float, *, overwrite: bool) -> None:
    """Write the moving portrait with its sound."""
    frames = np.stack(list(moving_portrait(seconds)))
    info = ClipInfo.synthetic(SIDE, SIDE, RATE)
    with tempfile.TemporaryDirectory() as folder:
        sound = Path(folder) / "sound.mp4"
        write_sound(sound, chimes(seconds), SAMPLE_RATE)
        with ClipWriter(
            target, info, source=sound, crf=12, preset="veryfast", overwrite=overwrite
        ) as writer:
            writer.write(rgb_to_batch(frames, info))


def _settings(task: str, device: str, *, defended: bool) -> Settings:
    choose_device(device)
    # The portrait's hair is fair: black is the edit that shows best.
    flags: dict[str, Any] = {
        "run.device": device,
        "output.preset": "veryfast",
        "detection.enabled": defended,
        "faces.which": "largest",
    }
    if task == "edit":
        flags["condition.attributes"] = "Black_Hair"
    return load_settings(task=task, flags=flags)


def _make_room(folder: Path, made: list[Path], clip: Path | None, *, overwrite: bool) -> None:
    """A folder without any file of an earlier demo, so that old and new never stand together."""
    there = [path for path in made if path.exists()]
    if there and not overwrite:
        raise OutputError(f"{there[0]} exists", hint="-y overwrites, or name another folder")
    for path in there:
        check_paths(clip or folder, path, overwrite=True)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in there:
            path.unlink()
    except OSError as error:
        raise OutputError(
            f"cannot make room in {folder}: {error.strerror}", hint="name a folder with -o"
        ) from error


def run_demo(
    folder: Path,
    *,
    clip: Path | None = None,
    task: str = "edit",
    seconds: float = 2.0,
    device: str = "auto",
    overwrite: bool = False,
    say: Say = print,
) -> list[Path]:
    """Write source, protected, undefended and defended clips and a film of all four.

    Args:
        clip: the source; without it one is made, `seconds` long.

    Returns:
        The five files, the source first.

    Raises:
        InputError: the clip cannot be read.
        OutputError: files of an earlier demo are there and `overwrite` is not set, or the clip is
            one of them.
    """
    plain, defence = (_settings(task, device, defended=on) for on in (False, True))
    if clip is not None:
        refuse_hdr(probe(clip), plain.output.hdr)
    source, protected, undefended, defended, film = (folder / name for name in NAMES)
    source = clip or source
    made = [protected, undefended, defended, film] + ([] if clip else [source])
    _make_room(folder, made, clip, overwrite=overwrite)
    if clip is None:
        say(f"1/5 {source}: a moving portrait with sound")
        write_source(source, seconds, overwrite=overwrite)
    else:
        say(f"1/5 {source}: yours")
    models = load_models(defence)
    say(f"2/5 {protected}: its face perturbed ({in_words(plain)})")
    protect_clip(source, protected, plain, models, overwrite=overwrite)
    say(f"3/5 {undefended}: the protected clip translated as it is ({task})")
    bare = load_models(plain)
    translate_clip(protected, undefended, plain, models=bare, overwrite=overwrite)
    say(f"4/5 {defended}: the same, defended")
    document = translate_clip(protected, defended, defence, models=models, overwrite=overwrite)
    run = document["run"]
    say(f"    {run['faces_perturbed']} of {run['faces']} faces found perturbed")
    say(f"5/5 {film}: all four side by side")
    labels = ("source", "protected", "protected, translated", "protected, defended, translated")
    marks = output_metadata(task, defence.output.provenance, {})
    side_by_side((source, protected, undefended, defended), labels, film, metadata=marks)
    return [source, protected, undefended, defended, film]
