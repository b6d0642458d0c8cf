"""Clean faces as a calibration needs them: recompressed, soft, sharpened, noisy, filmed."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magdr_video.errors import InputError
from magdr_video.training.framed_faces import framed, resized
from magdr_video.transforms import down_up, jpeg, unsharp
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.colour import batch_to_rgb, rgb_to_batch
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter

NOISE = 0.012
"""Deviation of the camera noise of the hard negatives, about 3 of 255."""

USUAL_RATE = 1.4
"""Frame pixels for one of the crop, of the faces that are shown in a frame: a face of 180 px."""

STRONG_NOISE = 0.0227
"""Noise with the power of a perturbation of epsilon 0.05 (METHOD 6.6: rms 0.91 x epsilon)."""


def face_files(data: Path, *, held_out: bool) -> list[Path]:
    """Files of the synthetic faces; the held-out identities end in 3 or 4, as in training.

    Raises:
        InputError: the folder has no faces.
    """
    files = sorted((data / "omi" / "images").glob("*.jpg"), key=lambda path: int(path.stem))
    chosen = [path for path in files if (int(path.stem) % 10 in (3, 4)) == held_out]
    if not chosen:
        raise InputError(
            f"no faces in {data / 'omi' / 'images'}",
            hint="give --data the folder that holds the OMI faces",
        )
    return chosen


def unseen_files(data: Path, *, judged: bool) -> list[Path]:
    """Files of the identities that no network has seen: those to fit a detector to end in 3, those
    to judge it by in 4.

    A network knows the faces that it was trained on: the purifier calls those clean ones clean.
    """
    digit = 4 if judged else 3
    return [path for path in face_files(data, held_out=True) if int(path.stem) % 10 == digit]


def load_faces(files: Sequence[Path], size: int) -> Tensor:
    """(F, 3, size, size) float32 in [0, 1], reduced by area."""
    pictures = []
    for path in files:
        with Image.open(path) as held:
            small = held.convert("RGB").resize((size, size), Image.Resampling.BOX)
            pictures.append(np.asarray(small))
    stacked = torch.from_numpy(np.stack(pictures))
    return stacked.permute(0, 3, 1, 2).float() / 255


def list_hash(files: Sequence[Path]) -> str:
    """SHA-256 of the sorted SHA-256 of the files: what the table was fitted on."""
    sums = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def film(faces: Tensor, crf: int, *, rate: float = 1.0, moving: bool = False) -> Tensor:
    """Faces (F, 3, S, S) through H.264 4:2:0 at `crf`.

    Args:
        rate: pixels of the frame for one of the crop.
        moving: they are one clip; otherwise each is a still frame among others.
    """
    if rate != 1:
        inside = film(resized(faces, round(faces.shape[-1] * rate / 2) * 2), crf, moving=moving)
        return resized(inside, faces.shape[-1])
    size = faces.shape[-1]
    rgb = (faces.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    info = ClipInfo.synthetic(size, size, 25)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "faces.mp4"
        # Key frames only where the faces differ: prediction between them would be no film.
        options = {} if moving else {"g": "1"}
        with ClipWriter(target, info, crf=crf, options=options) as writer:
            writer.write(rgb_to_batch(rgb, info))
        with ClipReader(target) as reader:
            out = np.concatenate([batch_to_rgb(batch, size, size) for batch in reader])
    return torch.from_numpy(out).to(faces.device).permute(0, 3, 1, 2).float() / 255


def noisy(faces: Tensor, deviation: float) -> Tensor:
    """Gaussian noise of one deviation, channel by channel; the same pattern at every call."""
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(faces.shape, generator=generator).to(faces)
    return (faces + deviation * noise).clamp(0, 1)


CLEAN: dict[str, Callable[[Tensor], Tensor]] = {
    "photograph": lambda faces: faces,
    "jpeg 75": lambda faces: jpeg(faces, quality=75),
    "h264 crf 18": lambda faces: film(faces, 18),
    "h264 crf 23": lambda faces: film(faces, 23),
    "h264 crf 28": lambda faces: film(faces, 28),
    "in a frame": lambda faces: framed(faces, USUAL_RATE),
    "small face": lambda faces: down_up(faces, scale=0.5),
    "noise": lambda faces: noisy(faces, NOISE),
    "strong noise": lambda faces: noisy(faces, STRONG_NOISE),
    "sharpened": lambda faces: unsharp(faces, amount=0.7),
}
"""What clean input may look like; each is a kind of negative."""

ROUGH = ("noise", "strong noise", "sharpened")
"""Kinds whose fine detail is as strong as a perturbation's."""
