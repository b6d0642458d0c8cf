"""What is measured at one task: its subject, faces, and their attacked crops, made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from magdr_video.baselines.protocol import Material, Samples
from magdr_video.benchmark.cells import Cell, CellStore
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.subject import (
    FaceSet,
    Subject,
    load_face_set,
    load_subject,
    open_images,
)
from magdr_video.benchmark.threats import Threat, as_images, attack_cell, threat
from magdr_video.types import Masks

FIT_SEED_STEP = 1
"""Added to the plan's seed for attacks on training faces."""


@dataclass(frozen=True)
class Seen:
    """Crops with all that detectors and reconstructors look at; computed once, shared by all."""

    subject: Subject
    crops: Tensor
    """(F, 3, S, S)."""
    condition: Tensor
    """(F, C)."""

    @cached_property
    def masks(self) -> Masks:
        """Region masks of the crops as they are, attacked or not."""
        return self.subject.masks(self.crops)

    @cached_property
    def draft(self) -> Tensor:
        """Translation of the crops, (F, 3, S, S)."""
        return self.subject.generate(self.crops, self.condition)

    @cached_property
    def features(self) -> Tensor:
        """The generator's features of the crops."""
        return self.subject.features(self.crops)

    def first(self, count: int) -> Seen:
        """The first crops; itself when there are no more."""
        if count >= len(self.crops):
            return self
        return Seen(self.subject, self.crops[:count], self.condition[:count])


class Scene:
    """One task under a plan.

    Args:
        plan: how much is measured.
        subject: the generator under attack.
        store: where finished cells lie.
    """

    def __init__(self, plan: Plan, subject: Subject, store: CellStore) -> None:
        self.plan, self.subject, self.store = plan, subject, store
        self.data = open_images(plan)
        self.faces = load_face_set(self.data, "test", plan.faces, subject.size)
        self.fitting = load_face_set(self.data, "train", plan.fitting_faces, subject.size)
        self._seen: dict[str, Seen] = {}

    @property
    def task(self) -> str:
        """The subject's task."""
        return self.subject.task

    def threat(self, name: str) -> Threat:
        """The attack of that name under the plan."""
        return threat(name, self.plan)

    def faces_of(self, chosen: Threat) -> FaceSet:
        """Held-out faces for an attack: fewer where it is slow."""
        count = self.plan.count("slow_faces") if chosen.slow else self.plan.faces
        return self.faces.first(count)

    def attack_cell(self, name: str) -> Cell:
        """The attacked held-out faces."""
        chosen = self.threat(name)
        return attack_cell(self.subject, self.faces_of(chosen), chosen, self.plan.seed)

    def fitting_cell(self) -> Cell:
        """The training faces under PGD, on which settings are chosen."""
        chosen = self.threat("pgd")
        return attack_cell(self.subject, self.fitting, chosen, self.plan.seed + FIT_SEED_STEP)

    def seen(self, crops: Tensor, name: str) -> Seen:
        """Crops of a name, prepared once."""
        if name not in self._seen:
            condition = self.subject.conditions(len(crops))
            self._seen[name] = Seen(self.subject, crops, condition)
        return self._seen[name]

    @property
    def clean(self) -> Seen:
        """The clean held-out faces."""
        return self.seen(self.faces.crops, "clean")

    def attacked(self, name: str) -> Seen:
        """The held-out faces under an attack."""
        return self.seen(as_images(self.store.get(self.attack_cell(name))), name)

    @cached_property
    def validation(self) -> FaceSet:
        """Clean faces of identities that nothing was fitted on."""
        count = self.plan.validation_faces
        return load_face_set(self.data, "validation", count, self.subject.size)

    @cached_property
    def material(self) -> Material:
        """What trained baselines learn from."""
        count, size = self.plan.picture_faces, 2 * self.subject.size
        pictures = load_face_set(self.data, "train", count, size)
        clean, attacked = self.clean_fitting, self.attacked_fitting
        return Material(
            Samples(clean.crops, clean.condition, clean.draft),
            Samples(attacked.crops, attacked.condition, attacked.draft),
            pictures.crops,
        )

    @property
    def clean_fitting(self) -> Seen:
        """The clean training faces."""
        return self.seen(self.fitting.crops, "clean fitting")

    @property
    def attacked_fitting(self) -> Seen:
        """The training faces under PGD."""
        return self.seen(as_images(self.store.get(self.fitting_cell())), "attacked fitting")


def make_scenes(
    plan: Plan, store: CellStore, load: Callable[[str], Subject] = load_subject
) -> Mapping[str, Scene]:
    """A scene for each task of the plan.

    Raises:
        SettingsError: the plan names an attack that there is not.
    """
    for name in plan.attacks:
        threat(name, plan)
    return {task: Scene(plan, load(task), store) for task in plan.tasks}
