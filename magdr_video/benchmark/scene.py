"""What is measured at one task: its subject, faces, and their attacked crops, made once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.baselines.protocol import Material, Samples, Source
from magdr_video.benchmark.attacked import Attacked, attacked
from magdr_video.benchmark.cells import CellStore
from magdr_video.benchmark.opening import open_dataset
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.subject import (
    FaceSet,
    Subject,
    load_face_set,
    load_subject,
)
from magdr_video.benchmark.threats import Threat, threat
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
        return self.subject.masks(self.crops, self.condition)

    @cached_property
    def draft(self) -> Tensor:
        """Translation of the crops, (F, 3, S, S)."""
        return self.subject.generate(self.crops, self.condition)

    @cached_property
    def features(self) -> Tensor:
        """The generator's features of the crops."""
        return self.subject.features(self.crops)

    @cached_property
    def draft_features(self) -> Tensor:
        """The generator's features of the draft."""
        return self.subject.features(self.draft)

    def first(self, count: int) -> Seen:
        """The first crops, with what is known of them; itself when there are no more."""
        if count >= len(self.crops):
            return self
        out = Seen(self.subject, self.crops[:count], self.condition[:count])
        out.__dict__["draft"] = self.draft[:count]
        for name in ("features", "draft_features"):
            if name in self.__dict__:
                out.__dict__[name] = self.__dict__[name][:count]
        return out


@lru_cache(maxsize=16)
def _faces_of(
    plan: tuple[str, Path], split: str, count: int, size: int, device: torch.device
) -> FaceSet:
    """Faces by data set and folder, once: a run of all benchmarks opens its scenes for each."""
    return load_face_set(open_dataset(*plan), split, count, size, device)


class Scene:
    """One task under a plan.

    Args:
        plan: how much is measured.
        subject: the generator under attack.
        store: where finished cells lie.
    """

    def __init__(self, plan: Plan, subject: Subject, store: CellStore) -> None:
        self.plan, self.subject, self.store = plan, subject, store
        self.faces = self._faces("test", plan.faces)
        self.fitting = self._faces("train", plan.fitting_faces)
        self._seen: dict[str, Seen] = {}
        self._under: dict[tuple[Any, ...], Attacked] = {}

    def _faces(self, split: str, count: int, times: int = 1) -> FaceSet:
        size = times * self.subject.size
        source = (self.plan.dataset, self.plan.data)
        return _faces_of(source, split, count, size, self.subject.device)

    @property
    def task(self) -> str:
        """The subject's task."""
        return self.subject.task

    def threat(self, name: str) -> Threat:
        """The attack of that name under the plan."""
        return threat(name, self.plan)

    def under(self, chosen: Threat, count: int | None = None) -> Attacked:
        """The held-out faces, or the first of them, under an attack."""
        which = (chosen.name, tuple(chosen.settings.items()), count)
        if which not in self._under:
            faces = self.faces if count is None else self.faces.first(count)
            self._under[which] = attacked(self.subject, faces, chosen, self.plan.seed)
        return self._under[which]

    def in_frame(self, name: str) -> Attacked:
        """The faces for codecs under an attack that knows that a frame will hold them."""
        faces = self.faces.first(self.plan.count("side_faces"))
        chosen = self.threat(name)
        which = (chosen.name, tuple(chosen.settings.items()), "in a frame")
        if which not in self._under:
            self._under[which] = attacked(
                self.subject, faces, chosen, self.plan.seed, in_frame=True
            )
        return self._under[which]

    @cached_property
    def fitting_under(self) -> Attacked:
        """The training faces under PGD, from which baselines learn."""
        chosen = self.threat("pgd")
        return attacked(self.subject, self.fitting, chosen, self.plan.seed + FIT_SEED_STEP)

    @cached_property
    def trial_under(self) -> Attacked:
        """The first of them, on which every setting of every transform is tried."""
        few = self.fitting.first(min(self.plan.trial_faces, self.plan.fitting_faces))
        return attacked(self.subject, few, self.threat("pgd"), self.plan.seed + FIT_SEED_STEP)

    @property
    def trial(self) -> tuple[Seen, Seen]:
        """These as they are and attacked."""
        clean = self.fitting.first(min(self.plan.trial_faces, self.plan.fitting_faces))
        broken = self.trial_under.images(self.store)
        return self.seen(clean.crops, "clean trial"), self.seen(broken, "attacked trial")

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

    @cached_property
    def slow_clean(self) -> Seen:
        """The clean faces that slow columns are measured on."""
        return self.clean.first(self.plan.count("slow_faces"))

    def attacked(self, name: str) -> Seen:
        """The held-out faces under an attack."""
        return self.seen(self.under(self.threat(name)).images(self.store), name)

    @cached_property
    def validation(self) -> FaceSet:
        """Clean faces of identities that nothing was fitted on."""
        return self._faces("validation", self.plan.validation_faces)

    @cached_property
    def _pictures(self) -> FaceSet:
        return self._faces("train", self.plan.picture_faces, times=2)

    @property
    def source(self) -> Source:
        """What trained baselines learn from, by what decides it; the attack may be yet to come."""
        pictures = f"{self._pictures.digest} at {2 * self.subject.size} and {self.subject.size}"
        return Source(self.fitting_under.address, pictures, lambda: self.material)

    @cached_property
    def material(self) -> Material:
        """What trained baselines learn from."""
        clean, attacked = self.clean_fitting, self.attacked_fitting
        return Material(
            Samples(clean.crops, clean.condition, clean.draft),
            Samples(attacked.crops, attacked.condition, attacked.draft),
            self._pictures.crops,
        )

    @property
    def clean_fitting(self) -> Seen:
        """The clean training faces."""
        return self.seen(self.fitting.crops, "clean fitting")

    @property
    def attacked_fitting(self) -> Seen:
        """The training faces under PGD."""
        return self.seen(self.fitting_under.images(self.store), "attacked fitting")


def make_scenes(plan: Plan, store: CellStore) -> Mapping[str, Scene]:
    """A scene for each task of the plan.

    Raises:
        SettingsError: the plan names an attack that there is not.
        DeviceError: the plan's device is not there.
    """
    for name in plan.attacks:
        threat(name, plan)
    # Before weights are loaded, which takes longer and may fail for other reasons.
    open_dataset(plan.dataset, plan.data)
    return {
        task: Scene(plan, load_subject(task, plan.generator, plan.overrides, plan.device), store)
        for task in plan.tasks
    }
