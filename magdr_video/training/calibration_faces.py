"""The faces of a calibration: photographs and frames of clips, clean in many ways, and attacked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.detection.measurement import Measurement, join, measure
from magdr_video.faces.parsing import parse
from magdr_video.faces.regions import region_masks
from magdr_video.loading import Models
from magdr_video.runs import crops_of
from magdr_video.settings import Settings
from magdr_video.training.attacked_faces import faces_at_once
from magdr_video.training.clean_faces import CLEAN, film, load_faces
from magdr_video.training.drawn_conditions import DrawnConditions
from magdr_video.transforms import jpeg
from magdr_video.translation import translate_in_pieces
from magdr_video.types import TransformChoice

CRITERIA = ("l1", "l2", "ssim")
TRANSFORMS = (
    "guided(eps=0.003)",
    "purifier(strength=1)",
    "jpeg(quality=75)",
)
"""The f_k of the consistency detector; the first is the control's denoiser, the second takes out
what looks like a perturbation and leaves other faces alone. With the control four passes beside
the draft. A blur as a fourth told no more (AUROC of mu, 30 held-out faces, `edit`, lossless 0.995
instead of 0.992, after crf 23 0.73 instead of 0.75)."""

FITTED_CLIPS = ("grid-lrwp9a.mpg", "asl-help.mkv")
CHECKED_CLIPS = ("grid-swiz3n.mpg",)
"""Clips of `DATA/clips` whose frames join the fitting and the validation faces."""
HELD_OUT_CLIPS = ("grid-bbaf2n.mpg", "grid-brbk7n.mpg", "asl-thanks.mkv")


ATTACKED: dict[str, Callable[[Tensor], Tensor]] = {
    "lossless": lambda faces: faces,
    "h264 crf 23": lambda faces: film(faces, 23),
    "jpeg 75": lambda faces: jpeg(faces, quality=75),
}
"""What becomes of a protected picture before it is inspected."""

FRAMED: dict[str, Callable[[Tensor], Tensor]] = {
    "in a frame": lambda faces: faces,
    "in a frame, crf 23": lambda faces: film(faces, 23),
}
"""The same of faces that were protected in the frames of a clip (see `protection`)."""


@dataclass(frozen=True)
class Subject:
    """The generator under calibration, with the parser."""

    settings: Settings
    models: Models

    @property
    def task(self) -> str:
        """'replace', 'edit' or 'reenact'."""
        return self.settings.task

    @property
    def size(self) -> int:
        """Side of a crop in pixels."""
        return self.models.translator.record.size

    @property
    def device(self) -> torch.device:
        """Where faces are measured."""
        return self.models.device

    def generate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under (F, C), in pieces."""
        most = faces_at_once(crops.device)
        return translate_in_pieces(self.models.translator.translate, crops, condition, most)


def spaced_crops(subject: Subject, clip: Path, count: int, *, step: int = 8) -> Tensor:
    """Every `step`-th face of a clip as the pipeline cuts it, at most `count`: (F, 3, S, S)."""
    held: list[Tensor] = []
    seen = 0
    for _, crops in crops_of(clip, subject.settings, subject.models):
        for face in crops.data:
            if seen % step == 0:
                held.append(face)
            seen += 1
        if len(held) >= count:
            break
    if not held:
        return torch.zeros(0, 3, subject.size, subject.size, device=subject.device)
    return torch.stack(held[:count])


def gather(subject: Subject, files: Sequence[Path], clips: Sequence[Path], frames: int) -> Tensor:
    """Photographs, then `frames` faces of each clip: (F, 3, S, S)."""
    return torch.cat(
        [
            load_faces(files, subject.size).to(subject.device),
            *(spaced_crops(subject, clip, frames) for clip in clips if frames),
        ]
    )


def in_turn(faces: Tensor, kinds: Sequence[str]) -> Tensor:
    """Each face as one of the kinds of clean input, in turn."""
    out = faces.clone()
    for place, kind in enumerate(kinds):
        out[place :: len(kinds)] = CLEAN[kind](faces[place :: len(kinds)])
    return out


def measure_faces(
    subject: Subject,
    crops: Tensor,
    drawn: DrawnConditions,
    transforms: Sequence[Sequence[TransformChoice]],
) -> Measurement:
    """Parse and measure crops, each with the target regions of its own condition.

    What is measured comes back to the CPU, where tables are fitted. The drafts are not kept: a
    calibration has no use for them and they are large.
    """
    parts, models = [], subject.models
    values, target = drawn.values.to(crops), drawn.target.to(crops.device)
    count = faces_at_once(crops.device)
    for start in range(0, len(crops), count):
        piece = slice(start, start + count)
        classes = parse(crops[piece], models.parser, models.parser_size)
        attention = models.target_attention(crops[piece], values[piece])
        masks = region_masks(classes, subject.task, attention=attention)
        with torch.no_grad():
            held = measure(
                subject.generate,
                crops[piece],
                masks,
                values[piece],
                transforms=transforms,
                criteria=CRITERIA,
            )
        held = replace(held, draft=held.draft[:, :, :0, :0])
        # Attention tells the target face by face; regions go by the condition.
        parts.append(held if models.by_attention else replace(held, target=target[piece]))
    return join(parts).cpu()
