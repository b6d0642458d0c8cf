"""The sheet of clip frames in a generator's card: one moment a row, one film a column.

    python -m magdr_video.training.clip_sheet CLIP FILM [FILM ...] --out FILE.jpg

The films are translations of the clip, made with `magdr-video defend`; a frame is cut around the
face that the clip shows there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import cv2
import numpy as np
from PIL import Image

from magdr_video.errors import InputError, UsageError
from magdr_video.faces.detector import FaceDetector
from magdr_video.training.faces_data import Array
from magdr_video.training.running import require_picture, run_alone
from magdr_video.video.colour import batch_to_rgb
from magdr_video.video.reader import ClipReader

AROUND = 2.2
"""Side of a cut over the longer side of the face's box."""


def require_alike(films: Sequence[Path]) -> int:
    """How many frames the films have, which is the same for all, as their size is.

    Raises:
        InputError: a film cannot be read, or differs from the first in size or number of frames.
    """
    sizes = []
    for film in films:
        with ClipReader(film) as reader:
            sizes.append((reader.info.width, reader.info.height))
    for film, size in zip(films, sizes, strict=True):
        if size != sizes[0]:
            _refuse(film, films[0], "size", *("x".join(map(str, one)) for one in (size, sizes[0])))
    counts = [_count_frames(film) for film in films]
    for film, count in zip(films, counts, strict=True):
        if count != counts[0]:
            # The same share of another number of frames is another moment.
            _refuse(film, films[0], "number of frames", str(count), str(counts[0]))
    if not counts[0]:
        raise InputError(f"{films[0]} has no frames", hint="give a whole clip")
    return counts[0]


def _refuse(film: Path, first: Path, what: str, own: str, wanted: str) -> NoReturn:
    raise InputError(
        f"{film} differs in {what} from {first}: {own}, not {wanted}",
        hint="give translations of the whole clip, as magdr-video defend writes them",
    )


def _count_frames(film: Path) -> int:
    with ClipReader(film) as reader:
        return sum(len(batch) for batch in reader)


def frames_at(film: Path, wanted: Sequence[int]) -> list[Array]:
    """RGB frames of a film by their numbers from 0, (H, W, 3) uint8 each.

    Raises:
        InputError: the film cannot be read.
    """
    held: dict[int, Array] = {}
    seen = 0
    with ClipReader(film) as reader:
        for batch in reader:
            here = [number for number in wanted if seen <= number < seen + len(batch)]
            if here:
                pictures = batch_to_rgb(batch, reader.info.height, reader.info.width)
                held |= {number: pictures[number - seen] for number in here}
            seen += len(batch)
    return [held[number] for number in wanted]


def window_of(frame: Array, detector: FaceDetector) -> tuple[slice, slice]:
    """A square around the surest face, inside the frame; the middle where none is found."""
    (found,) = detector.detect(frame[None])
    height, width = frame.shape[:2]
    middle, side = np.array([width / 2, height / 2]), float(min(height, width))
    if len(found):
        box = found.boxes[int(found.scores.argmax())]
        middle = (box[:2] + box[2:]) / 2
        side = min(float((box[2:] - box[:2]).max()) * AROUND, side)
    left = int(np.clip(middle[0] - side / 2, 0, width - side))
    top = int(np.clip(middle[1] - side / 2, 0, height - side))
    return slice(top, top + int(side)), slice(left, left + int(side))


def clip_sheet(films: Sequence[Path], count: int, side: int) -> Array:
    """`count` moments of films in rows, the films in columns, cut where the first shows a face.

    Raises:
        UsageError: a count or a side below 1.
        InputError: a film cannot be read, or differs in size or frames from the first.
    """
    for option, value in (("--frames", count), ("--side", side)):
        if value < 1:
            raise UsageError(f"{option} {value} shows nothing", hint="give 1 or more")
    frames = require_alike(films)
    wanted = [int((place + 0.5) / count * frames) for place in range(count)]
    columns = [frames_at(film, wanted) for film in films]
    detector = FaceDetector("cpu")
    windows = [window_of(frame, detector) for frame in columns[0]]
    rows = [
        np.concatenate(
            [
                cv2.resize(column[place][window], (side, side), interpolation=cv2.INTER_CUBIC)
                for column in columns
            ],
            axis=1,
        )
        for place, window in enumerate(windows)
    ]
    return np.concatenate(rows)


def main() -> None:
    """`python -m magdr_video.training.clip_sheet CLIP FILM [FILM ...] --out FILE.jpg`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("films", nargs="+", type=Path, help="the clip, then its translations")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=3, help="moments, one a row")
    parser.add_argument("--side", type=int, default=160, help="of a cut in the sheet, px")
    given = parser.parse_args()
    require_picture("--out", given.out)
    Image.fromarray(clip_sheet(given.films, given.frames, given.side)).save(given.out, quality=90)


if __name__ == "__main__":
    run_alone(main)
