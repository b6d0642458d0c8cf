"""The contact sheet of a generator's card: a public-domain portrait and held-out synthetic faces.

The portrait is NASA's of Eileen Collins, which scikit-image carries; it shows what the generator
does to a photograph that no training saw.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from magdr_video.faces.alignment import align
from magdr_video.faces.detector import FaceDetector
from magdr_video.models.conditions import condition_for_edit, condition_for_expression
from magdr_video.models.record import ModelRecord
from magdr_video.training.faces_data import Array, OmiFaces, is_held_out
from magdr_video.training.running import require_picture, run_alone
from magdr_video.translation import Translator, load_translator
from magdr_video.types import FaceCrops, Faces
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import rgb_to_batch

SHOWN = {
    "edit": ("Black_Hair", "Blond_Hair", "Brown_Hair", "Male", "Female", "Young", "Old"),
    "reenact": ("neutral", "happy", "surprised", "angry", "sad", "blink"),
    "replace": ("",),
}
"""Requests of the columns after the source."""


def portrait_crop(record: ModelRecord) -> Tensor:
    """The portrait's face as the generator wants it, (1, 3, S, S) in [0, 1]."""
    picture = np.asarray(data.astronaut(), dtype=np.uint8)
    (found,) = FaceDetector("cpu").detect(picture[None])
    best = int(np.argmax(found.scores))
    faces = Faces(
        frame=np.zeros(1, np.int64),
        boxes=found.boxes[[best]],
        landmarks=found.landmarks[[best]],
        scores=found.scores[[best]],
        track=np.zeros(1, np.int64),
        filled=np.zeros(1, np.bool_),
    )
    height, width = picture.shape[:2]
    batch = rgb_to_batch(picture[None], ClipInfo.synthetic(width, height, 25))
    crops: FaceCrops = align(batch, faces, record.size, record.alignment)
    return crops.data


def held_out_crops(root: Path, count: int, size: int) -> Tensor:
    """Held-out photos, evenly chosen, (count, 3, S, S) in [0, 1]."""
    faces = OmiFaces(root)
    names = [name for name in faces.photos if is_held_out(name)]
    chosen = names[:: max(1, len(names) // count)][:count]
    images = np.stack([faces.image(name, size) for name in chosen])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def condition_of(record: ModelRecord, request: str) -> tuple[float, ...]:
    """The condition of a column."""
    if record.task == "edit":
        return condition_for_edit(request, attributes=record.conditions)
    if record.task == "reenact":
        return condition_for_expression(request, units=record.conditions)
    return ()


@torch.no_grad()
def card_sheet(translator: Translator, crops: Tensor) -> Array:
    """A row a face: the source, then what `SHOWN` asks of the task; (H, W, 3) uint8."""
    record = translator.record
    columns = [crops]
    for request in SHOWN[record.task]:
        asked = translator.condition(condition_of(record, request), len(crops))
        columns.append(translator.translate(crops, asked))
    rows = torch.cat([torch.cat(list(column), dim=1) for column in columns], dim=2)
    out: Array = (rows * 255).round().byte().permute(1, 2, 0).numpy()
    return out


def main() -> None:
    """`python -m magdr_video.training.card_sheet GENERATOR --data DATA --out FILE.jpg`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("generator", help="name or file of the weights")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--faces", type=int, default=7, help="held-out faces below the portrait")
    given = parser.parse_args()
    require_picture("--out", given.out)
    translator = load_translator(given.generator)
    size = translator.record.size
    held_out = held_out_crops(given.data, given.faces, size)
    sheet = card_sheet(translator, torch.cat([portrait_crop(translator.record), held_out]))
    Image.fromarray(sheet).save(given.out, quality=90)


if __name__ == "__main__":
    run_alone(main)
