"""Random access to frames, for calibration and training; never for the frame loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from magdr_video.errors import InputError
from magdr_video.types import FrameBatch
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import batch_to_rgb, rgb_to_batch
from magdr_video.video.reader import ClipReader, probe

Choose = Callable[[int], list[int]]
"""The number of frames of a clip to the indices wanted."""


def sample_frames(path: Path | str, which: Sequence[int] | int) -> NDArray[np.uint8]:
    """Some frames of a clip, upright.

    decord seeks, which is quick in long clips, but it is only used where it is right: in MP4 and
    MOV (in MPEG program streams it returned frame 12 for 0 and 17 for 5), for 8 bits, and for
    BT.601 limited range, which is what it converts by whatever the clip says. All else, such as
    AV1, which it cannot decode, is decoded from the start by PyAV.

    Args:
        path: the file.
        which: indices of frames, any order, repeats allowed; or a number of frames to spread
            evenly over the clip.

    Returns:
        (N, H, W, 3) uint8 RGB, in the order asked for.

    Raises:
        InputError: as `ClipReader`, or an index lies beyond the last frame.
        ValueError: a negative index or a count below 1.
    """
    if isinstance(which, int):
        if which < 1:
            raise ValueError(f"{which} frames asked for, at least 1 allowed")
        count = which
        return _sample(Path(path), lambda total: spread(count, total))[1]
    if min(which, default=0) < 0:
        raise ValueError(f"index {min(which)} is negative")
    wanted = list(which)
    return _sample(Path(path), lambda total: wanted, counts=False)[1]


def sample_at_random(path: Path | str, count: int, seed: int = 0) -> list[FrameBatch]:
    """Frames drawn at random without repeats, each a batch and a shot of its own.

    They come as 4:4:4 planes, since what decord gives is RGB: chroma is not reduced a second time.

    Args:
        path: the file.
        count: frames to draw, at least 1; a clip that has fewer gives all it has.
        seed: the same for the same draw.

    Returns:
        Batches of one frame, in order; `first_index` is the frame's index in the clip.

    Raises:
        InputError: as `ClipReader`.
    """
    info = probe(path)

    def draw(total: int) -> list[int]:
        picked = np.random.default_rng(seed).choice(total, min(count, total), replace=False)
        return sorted(int(index) for index in picked)

    wanted, frames = _sample(Path(path), draw)
    like = ClipInfo.synthetic(info.width, info.height, info.average_rate, pixel_format="yuv444p")
    return [
        dataclasses.replace(
            rgb_to_batch(frame[None], like, first_index=index), cut=np.ones(1, np.bool_)
        )
        for index, frame in zip(wanted, frames, strict=True)
    ]


def spread(count: int, total: int) -> list[int]:
    """Indices of `count` frames in the middles of equal parts of a clip of `total` frames."""
    return [min(total - 1, int((k + 0.5) * total / count)) for k in range(count)]


def _sample(
    path: Path, choose: Choose, *, counts: bool = True
) -> tuple[list[int], NDArray[np.uint8]]:
    """The indices chosen among all frames, and these frames; by decord where it is right."""
    found = _by_decord(path, choose) if _suits_decord(probe(path)) else None
    return _by_decoding(path, choose(_count(path) if counts else 0)) if found is None else found


def _suits_decord(info: ClipInfo) -> bool:
    own_colour = info.colour.matrix == "bt601" and not info.colour.full_range
    as_coded = info.coded_format == info.pixel_format and info.bits == 8 and not info.rotation
    return "mov" in info.format and own_colour and as_coded and not info.mirrored


def _by_decord(path: Path, choose: Choose) -> tuple[list[int], NDArray[np.uint8]] | None:
    """By seeking; None where decord is absent, cannot read the clip, or counts differently."""
    try:
        import decord
    except (ImportError, OSError):
        return None
    try:
        video = decord.VideoReader(str(path.absolute()), ctx=decord.cpu(0), num_threads=1)
        wanted = choose(len(video))
        if max(wanted, default=0) >= len(video):
            return None
        frames: NDArray[np.uint8] = video.get_batch(wanted).asnumpy()
    except (decord.DECORDError, IndexError):
        return None
    return wanted, frames


def _by_decoding(path: Path, wanted: list[int]) -> tuple[list[int], NDArray[np.uint8]]:
    """By decoding from the start."""
    with ClipReader(path, batch=1) as reader:
        height, width = reader.info.height, reader.info.width
        frames = np.zeros((len(wanted), height, width, 3), np.uint8)
        last = max(wanted, default=-1)
        seen = -1
        for batch in reader:
            seen = batch.first_index
            _place(batch, [k for k, index in enumerate(wanted) if index == seen], frames)
            if seen >= last:
                break
    if last > seen:
        raise InputError(
            f"frame {last} of {path} asked for, its last is {seen}", hint="ask for fewer frames"
        )
    return wanted, frames


def _place(batch: FrameBatch, slots: list[int], frames: NDArray[np.uint8]) -> None:
    if slots:
        frames[slots] = batch_to_rgb(batch, batch.height, batch.width)[0]


def _count(path: Path) -> int:
    """By decoding: containers' counts may lie."""
    with ClipReader(path) as reader:
        return sum(len(batch) for batch in reader)
