"""The generator that is attacked and defended, with its parser, table and faces."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.datasets import DataSet, hash_of_hashes, item_hashes
from magdr_video.detection.calibration import Calibration
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.device import in_usual_sizes
from magdr_video.errors import InputError, SettingsError
from magdr_video.faces.parsing import parse
from magdr_video.faces.regions import region_masks
from magdr_video.loading import Models, load_models
from magdr_video.models import zoo
from magdr_video.models.conditions import (
    ACTION_UNITS,
    ATTRIBUTES,
    EXPRESSIONS,
    condition_for_expression,
)
from magdr_video.provenance import sha256_of
from magdr_video.reconstruction.fitted import RecNetTable
from magdr_video.settings import Settings, load_settings, preset_folder
from magdr_video.translation import Translator, translate_in_pieces
from magdr_video.types import Masks

CHUNK = 16
"""Faces a generator pass on a CPU, whose caches hold no more."""
CHUNK_ON_DEVICE = 64
"""The same on a GPU: bounds the memory."""


@dataclass(frozen=True)
class Subject:
    """A task with everything that its benchmark needs."""

    settings: Settings
    models: Models
    tables: Mapping[str, str]
    """SHA-256 of the task's tables."""

    @property
    def translator(self) -> Translator:
        """The generator."""
        return self.models.translator

    @property
    def table(self) -> Calibration:
        """The detector's table.

        Raises:
            SettingsError: detection is switched off.
        """
        if self.models.table is None:
            raise SettingsError(f"{self.task}: a benchmark needs detection.enabled = true")
        return self.models.table

    @property
    def recnet(self) -> RecNetTable:
        """What Rec-Net's pre-training found."""
        return self.models.recnet

    @cached_property
    def identity(self) -> dict[str, str]:
        """SHA-256 of all weights and tables: part of the key of what they all decide."""
        parser = self.models.weights[zoo.find(self.settings.model.parser).name]
        return {
            "generator": self.translator.record.sha256,
            "parser": parser,
            "purifier": zoo.find("purifier").sha256,
            **self.tables,
            "recnet": self.recnet.digest,
        }

    @property
    def task(self) -> str:
        """'replace', 'edit' or 'reenact'."""
        return self.settings.task

    @property
    def device(self) -> torch.device:
        """Where the networks are, and with them the crops."""
        return self.models.device

    @property
    def chunk(self) -> int:
        """Faces a pass."""
        return CHUNK if self.device.type == "cpu" else CHUNK_ON_DEVICE

    @property
    def size(self) -> int:
        """Side of a crop in pixels."""
        return self.translator.record.size

    @property
    def rooms(self) -> tuple[str, ...]:
        """Modules whose source decides what the generator gives."""
        architecture = self.translator.record.architecture
        known = architecture in ("stargan", "ganimation", "cyclegan")
        own = f"models/{architecture}" if known else "models/foreign"
        return (own, "models/trunk", "models/warped", "translation")

    def generate(self, crops: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) in pieces, without gradients."""
        return translate_in_pieces(self.translator.translate, crops, condition, self.chunk)

    @torch.no_grad()
    def features(self, crops: Tensor) -> Tensor:
        """The generator's last residual block with the condition at zero (METHOD 5.1)."""
        nothing = self.translator.condition([0.0] * len(self.translator.record.conditions), 1)
        pieces = torch.split(crops, self.chunk)
        features = self.translator.features
        parts = [in_usual_sizes(features, p, nothing.expand(len(p), -1)) for p in pieces]
        return torch.cat(parts)

    @torch.no_grad()
    def masks(self, crops: Tensor, condition: Tensor) -> Masks:
        """Region masks, the target as the table's calibration had it."""
        names = ("Blond_Hair",) if self.task == "edit" else ()
        parser, size = self.models.parser, self.models.parser_size
        classes = torch.cat(
            [parse(piece, parser, size) for piece in torch.split(crops, self.chunk)]
        )
        attention = self.models.target_attention(crops, condition)
        return region_masks(classes, self.task, names, attention)

    def detector(self) -> PerturbationDetector:
        """The detector as a run has it."""
        decide = self.settings.detection.decide
        return PerturbationDetector(self.generate, self.table, decide=decide)

    @cached_property
    def condition_rows(self) -> list[list[float]]:
        """Conditions that the faces take in turn: three hair colours, or the expressions.

        A generator with other conditions has the settings' own for all faces.
        """
        names = self.translator.record.conditions
        if tuple(names[:3]) == ATTRIBUTES[:3]:
            rest = [0.5] * (len(names) - 3)
            return [[float(i == j) for j in range(3)] + rest for i in range(3)]
        if tuple(names) == ACTION_UNITS:
            asked = [name for name in EXPRESSIONS if name != "neutral"]
            return [list(condition_for_expression(name)) for name in asked]
        return [list(self.models.condition)]

    def conditions(self, count: int) -> Tensor:
        """The rows in turn, (F, C)."""
        rows = itertools.islice(itertools.cycle(self.condition_rows), count)
        held = torch.tensor(list(rows), dtype=torch.float32, device=self.device)
        return held.reshape(count, -1)

    def target(self, crops: Tensor) -> Tensor | None:
        """What attacks pull the output toward: the input for replace ('nullify'), else nothing."""
        return crops if self.task == "replace" else None


@lru_cache
def load_subject(
    task: str, generator: str = "", overrides: tuple[str, ...] = (), device: str = "cpu"
) -> Subject:
    """The task's generator, parser and tables, the shipped ones unless others are named.

    Args:
        generator: as `model.generator`; its tables must be named too, among the overrides.
        overrides: 'key=value' of settings.
        device: as `run.device`.

    Raises:
        DeviceError: the device is not there.
        WeightsError: weights are missing or damaged.
        SettingsError: there is no table, or it was made for other weights.
    """
    flags = {"run.device": device, "run.strict": True, "model.generator": generator or None}
    settings = load_settings(task=task, overrides=overrides, flags=flags)
    return Subject(settings, load_models(settings), table_hashes(settings))


def table_hashes(settings: Settings) -> dict[str, str]:
    """SHA-256 of the tables of a task, those of the preset or the shipped ones."""
    folder = preset_folder() / "tables"
    named = Path(settings.detection.table or folder / f"{settings.task}.toml")
    return {"table": sha256_of(named)} if named.is_file() else {}


@dataclass(frozen=True)
class FaceSet:
    """Faces of one split as crops, and what pins them down."""

    sums: tuple[str, ...]
    """SHA-256 of each face's file."""
    crops: Tensor
    """(F, 3, S, S) in [0, 1]."""

    def __len__(self) -> int:
        return len(self.sums)

    @property
    def digest(self) -> str:
        """SHA-256 of the sorted SHA-256 of the files."""
        return hash_of_hashes(self.sums)

    def first(self, count: int) -> FaceSet:
        """The set's first faces."""
        return self if count >= len(self) else self.part(slice(0, count))

    def part(self, faces: slice) -> FaceSet:
        """Some of the set's faces."""
        return FaceSet(self.sums[faces], self.crops[faces])


def load_face_set(
    data: DataSet, split: str, count: int, size: int, device: torch.device | str = "cpu"
) -> FaceSet:
    """The first faces of a split, on a device; forged ones are left out.

    Raises:
        InputError: the split has too few faces.
    """
    items = tuple(item for item in data.items(split) if not item.manipulation)[:count]
    if len(items) < count:
        raise InputError(
            f"{data.name} has {len(items)} faces in its split '{split}', {count} are wanted",
            hint="ask for fewer with --faces",
        )
    return FaceSet(item_hashes(items), data.images(items, size).to(device))


def facts(subjects: Sequence[Subject]) -> dict[str, Any]:
    """Names and hashes of what was measured, by task."""
    return {
        subject.task: {
            "generator": subject.translator.record.name,
            "sha256": subject.identity,
            "crop": subject.size,
        }
        for subject in subjects
    }
