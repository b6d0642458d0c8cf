"""What a baseline is: a detector that scores faces, or a reconstructor that repairs them.

Both carry the paper they come from and the parameters they run with, so that a table can print
them. Baselines that must be fitted are handed training identities only; thresholds are set by
`thresholds.clean_threshold` on clean validation faces, never on attacked ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor

Generate: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Crops (F, 3, S, S) in [0, 1] and conditions (F, C) to translations (F, 3, S, S) in [0, 1]."""

Parameter: TypeAlias = float | int | str | bool
State: TypeAlias = dict[str, Tensor]
"""All that was learned, as named tensors; an untrained baseline has none."""


@dataclass(frozen=True)
class Samples:
    """Faces with what the generator makes of them.

    Raises:
        ValueError: the parts disagree in F, or the draft in shape.
    """

    crops: Tensor
    """(F, 3, S, S) float32 in [0, 1]."""
    condition: Tensor
    """(F, C)."""
    draft: Tensor
    """(F, 3, S, S) in [0, 1]: the translation of the crops under the condition."""

    def __post_init__(self) -> None:
        if self.draft.shape != self.crops.shape or len(self.condition) != len(self.crops):
            raise ValueError(
                f"crops {tuple(self.crops.shape)}, condition {tuple(self.condition.shape)} and "
                f"draft {tuple(self.draft.shape)} do not belong together"
            )

    def __len__(self) -> int:
        return len(self.crops)

    def __getitem__(self, chosen: slice | Tensor) -> Samples:
        return Samples(self.crops[chosen], self.condition[chosen], self.draft[chosen])


def translated(generate: Generate, crops: Tensor, condition: Tensor, batch: int = 16) -> Samples:
    """Samples of crops, translated without gradients in pieces of `batch`."""
    with torch.no_grad():
        pieces = zip(torch.split(crops, batch), torch.split(condition, batch), strict=True)
        drafts = [generate(*piece) for piece in pieces]
    return Samples(crops, condition, torch.cat(drafts) if drafts else crops)


@runtime_checkable
class Baseline(Protocol):
    """What a table prints of a baseline."""

    name: str
    """As on the command line: lower case, hyphens."""
    paper: str
    """Authors, venue and year."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The settings it runs with."""


@runtime_checkable
class LearnedBaseline(Baseline, Protocol):
    """A baseline whose learned state can be kept in a file."""

    @property
    def weights_name(self) -> str:
        """Whose weights these are; rows that differ in use only share them."""

    @property
    def learned(self) -> Mapping[str, Parameter]:
        """The settings that what is learned depends on."""

    @property
    def of_generator(self) -> bool:
        """True when it learns from the generator or its attacked faces, not from images alone."""

    def shorten(self, share: float) -> None:
        """Take only this share of the training steps, at least one."""

    def state(self) -> State:
        """What was learned."""

    def restore(self, state: State) -> None:
        """Take back what `state` returned."""


@runtime_checkable
class DetectorBaseline(LearnedBaseline, Protocol):
    """Is this face perturbed? Larger scores are more perturbed."""

    own_threshold: float
    """The decision of the paper's recipe itself: perturbed above it."""

    def fit(self, clean: Samples, attacked: Samples) -> None:
        """Learn from training identities.

        Args:
            clean: at least two faces.
            attacked: the same faces, attacked, in the same order; ignored by those that know
                clean faces only.
        """

    def score(self, crops: Tensor, condition: Tensor, draft: Tensor) -> Tensor:
        """(F,) scores of crops whose translation `draft` is already known.

        Raises:
            RuntimeError: neither `fit` nor `restore` was called.
        """


@runtime_checkable
class ReconstructorBaseline(Baseline, Protocol):
    """Undo the perturbation of a face."""

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Attacked crops (F, 3, S, S) in [0, 1] to reconstructed ones, same shape and range."""

    def translate(self, generate: Generate, crops: Tensor, condition: Tensor) -> Tensor:
        """The defended translation of attacked crops, (F, 3, S, S) in [0, 1].

        `generate(reconstruct(crops), condition)` unless the defence reaches around the generator
        (draws that are averaged behind it) or replaces it (adversarial training).
        """


@dataclass(frozen=True)
class Material:
    """What trained baselines learn from: training identities only."""

    clean: Samples
    attacked: Samples
    """The same faces as `clean` under the default attack, in the same order."""
    faces: Tensor
    """(E, 3, T, T) clean faces in [0, 1] for what learns from images alone; T is S or, where the
    data have it, 2 S, so that super-resolution sees real detail."""

    @property
    def crops(self) -> Tensor:
        """`faces` at the size of the crops, (E, 3, S, S), reduced by area."""
        size = self.clean.crops.shape[-1]
        if self.faces.shape[-1] == size:
            return self.faces
        return F.interpolate(self.faces, (size, size), mode="area")


@dataclass(frozen=True)
class Source:
    """Material that is made when it is wanted, known beforehand by what decides it."""

    attacked: str
    """Hash of faces, conditions, generator and attack."""
    pictures: str
    """Hash of the files of `Material.faces` and their size."""
    make: Callable[[], Material]


@runtime_checkable
class TrainedReconstructor(ReconstructorBaseline, LearnedBaseline, Protocol):
    """A reconstructor that learns."""

    def fit(self, material: Material) -> None:
        """Learn from training identities."""
