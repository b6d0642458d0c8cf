"""Attacked faces for Rec-Net's pre-training: single ones, and short moving views of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magdr_video.detection.detector import PerturbationDetector
from magdr_video.errors import SettingsError
from magdr_video.faces.parsing import parse
from magdr_video.faces.regions import region_masks
from magdr_video.loading import Models, load_models
from magdr_video.models.conditions import (
    EXPRESSIONS,
    condition_for_edit,
    condition_for_expression,
)
from magdr_video.reconstruction.temporal import average_along_motion
from magdr_video.settings import load_settings
from magdr_video.training.attacked_faces import attack, faces_at_once
from magdr_video.training.chain_trials import Trials, kept
from magdr_video.training.clean_faces import list_hash, load_faces

WINDOWS = (1, 3, 5)
"""Frames that are averaged; a moving view has as many as the last one."""
DRIFT = (0.7, 0.4, 0.004)
"""Deviation from frame to frame of what alignment leaves: shift px, turn degrees, scale."""
HAIR = ("Black_Hair", "Blond_Hair", "Brown_Hair")


@dataclass(frozen=True)
class Subject:
    """The generator under training with its parser and detector."""

    task: str
    models: Models

    @property
    def size(self) -> int:
        """Side of a crop in pixels."""
        return self.models.translator.record.size

    @property
    def device(self) -> torch.device:
        """Where crops are attacked, repaired and judged."""
        return self.models.device

    @property
    def detector(self) -> PerturbationDetector:
        """The detector with the task's own table.

        Raises:
            SettingsError: there is none.
        """
        if self.models.table is None:
            raise SettingsError(f"{self.task} has no calibration table")
        return PerturbationDetector(self.generate, self.models.table)

    @torch.no_grad()
    def generate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under (F, C), in pieces."""
        count = faces_at_once(crops.device)
        pieces = zip(torch.split(crops, count), torch.split(condition, count), strict=True)
        return torch.cat([self.models.translator.translate(*piece) for piece in pieces])

    def conditions(self, count: int) -> Tensor:
        """A cycle through what users may ask for, (F, C)."""
        names = self.models.translator.record.conditions
        if self.task == "replace":
            return torch.zeros(count, 0, device=self.device)
        if self.task == "edit":
            rows = [condition_for_edit(name, attributes=names) for name in HAIR]
        else:
            wanted = [name for name in EXPRESSIONS if name != "neutral"]
            rows = [condition_for_expression(name, units=names) for name in wanted]
        cycle = itertools.islice(itertools.cycle(rows), count)
        return torch.tensor(list(cycle), dtype=torch.float32, device=self.device)

    def trials(self, crops: Tensor, condition: Tensor, clean: Tensor) -> Trials:
        """Attacked crops under trial against the translation of the clean ones."""
        crops, clean = crops.to(self.device), clean.to(self.device)
        classes = parse(crops, self.models.parser, self.models.parser_size)
        names = HAIR[:1] if self.task == "edit" else ()
        return Trials(
            crops=crops,
            masks=region_masks(classes, self.task, names),
            condition=condition,
            wanted=self.generate(clean, condition),
            generate=self.generate,
            detector=self.detector,
        )


def load_subject(task: str, device: str = "auto") -> Subject:
    """The shipped generator of a task, its parser and its detector.

    Raises:
        SettingsError: the task has no calibration table.
    """
    # Rec-Net's own table is what is about to be made.
    flags = {"run.device": device, "reconstruction.enabled": False}
    return Subject(task, load_models(load_settings(task=task, flags=flags)))


def attacked_faces(
    subject: Subject, files: Sequence[Path], *, seed: int, cache: Path | None
) -> Trials:
    """Single faces, attacked."""
    faces = load_faces(files, subject.size)
    condition = subject.conditions(len(faces))
    translator = subject.models.translator
    key = f"{translator.record.sha256} {list_hash(files)} {seed}"
    crops = kept(cache, "single", key, lambda: attack(translator, faces, condition, seed))
    return subject.trials(crops, condition, faces)


def moving_views(file: Path, size: int, frames: int, seed: int) -> Tensor:
    """A face as a hand-held camera sees it, aligned but for what alignment leaves: (N, 3, S, S).

    Convention: pixel centres at integers; the face drifts by a random walk around its place.
    """
    rng = np.random.default_rng(seed)
    with Image.open(file) as held:
        picture = np.asarray(held.convert("RGB"))
    scale = size / picture.shape[0]
    # The reduction to the crop's size would alias without a blur of its own.
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.4 / scale, 0.3))
    middle = (picture.shape[1] / 2, picture.shape[0] / 2)
    walk = np.cumsum(rng.normal(size=(frames, 4)), axis=0)
    walk -= walk[frames // 2]
    shift, turn, zoom = DRIFT
    views = []
    for dx, dy, angle, grow in walk:
        affine = cv2.getRotationMatrix2D(middle, turn * angle, scale * (1 + zoom * grow))
        affine[:, 2] += np.array([size / 2 - middle[0] + dx * shift, size / 2 - middle[1]])
        affine[1, 2] += dy * shift
        views.append(cv2.warpAffine(soft, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101))
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 255


def averaged_views(
    subject: Subject, files: Sequence[Path], *, seed: int, cache: Path | None
) -> dict[int, Trials]:
    """The middle frames of moving views, each frame attacked on its own, averaged; by window."""
    middle = WINDOWS[-1] // 2
    views = [
        moving_views(file, subject.size, WINDOWS[-1], seed + place)
        for place, file in enumerate(files)
    ]
    condition = subject.conditions(len(files))
    translator = subject.models.translator
    key = f"{translator.record.sha256} {list_hash(files)} {seed} {DRIFT} {WINDOWS} in frames"

    def broken() -> Tensor:
        parts = []
        for place, (view, row) in enumerate(zip(views, condition, strict=True)):
            rows = row.expand(len(view), -1)
            parts.append(attack(translator, view, rows, seed + place, in_frame=True))
        return torch.cat(parts)

    attacked = kept(cache, "views", key, broken)
    frames = torch.split(attacked, WINDOWS[-1])
    clean = torch.stack([held[middle] for held in views])
    out = {}
    for window in WINDOWS:
        near = slice(middle - window // 2, middle + window // 2 + 1)
        averaged = [average_along_motion(list(held[near]), window // 2) for held in frames]
        out[window] = subject.trials(torch.stack(averaged), condition, clean)
    return out
