"""Attacked faces for Rec-Net's pre-training, the generator that they are for."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
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
from magdr_video.settings import load_settings
from magdr_video.training.attacked_faces import attack, faces_at_once
from magdr_video.training.chain_trials import Trials, kept
from magdr_video.training.clean_faces import list_hash, load_faces
from magdr_video.translation import translate_in_pieces

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

    def generate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under (F, C), in pieces."""
        most = faces_at_once(crops.device)
        return translate_in_pieces(self.models.translator.translate, crops, condition, most)

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
        attention = self.models.target_attention(crops, condition)
        return Trials(
            crops=crops,
            masks=region_masks(classes, self.task, names, attention),
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
    """Single faces, attacked as files."""
    faces = load_faces(files, subject.size)
    condition = subject.conditions(len(faces))
    translator = subject.models.translator
    key = f"{translator.record.sha256} {list_hash(files)} {seed}"
    crops = kept(cache, "single", key, lambda: attack(translator, faces, condition, seed))
    return subject.trials(crops, condition, faces)
