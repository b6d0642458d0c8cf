"""What an attack is given and what it gives back: one signature for all of them.

Images are in [0, 1], as between all rooms; epsilon, step size and losses are in the paper's
units, those of images in [-1, 1]: epsilon 0.05 is 6.375/255, and an error of 0.05 is four times
the mean squared difference of images in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

if TYPE_CHECKING:
    from magdr_video.attacks.defence import Defence

Generate = Callable[[Tensor, Tensor], Tensor]
"""Differentiable: crops (F, 3, S, S) in [0, 1] and conditions (F, C) to translations in [0, 1]."""


@runtime_checkable
class HasActivations(Protocol):
    """A generator that shows what is inside it; `Translator` is one."""

    def activations(self, crops: Tensor, condition: Tensor, layer: int) -> Tensor:
        """Output (F, C, h, w) of a layer of the trunk, by index; -1 is the last residual block."""


@dataclass(frozen=True)
class Problem:
    """Faces to perturb, and the generator that they are perturbed against."""

    generate: Generate
    images: Tensor
    """(F, 3, S, S) in [0, 1]."""
    condition: Tensor
    """(F, C); or (L, F, C) for the methods that iterate or join conditions, of which the others
    take the first."""
    target: Tensor | None = None
    """As the translations, (F, 3, S, S) in [0, 1]: move the translation toward it (eq. 2), instead
    of away from that of the clean images (eq. 1). For `replace` the paper takes the images."""
    first: int = 0
    """Number of the first face: face i draws its random numbers from (seed, first + i), so that
    its result does not depend on the batch it comes in."""
    defence: Defence | None = None
    """What the adaptive attack knows of the defence; the others know nothing."""

    def __post_init__(self) -> None:
        faces = len(self.images)
        if self.condition.ndim not in (2, 3) or self.condition.shape[-2] != faces:
            raise ValueError(
                f"condition has shape {tuple(self.condition.shape)}, expected ({faces}, C) "
                f"or (L, {faces}, C)"
            )
        if self.target is not None and len(self.target) != faces:
            raise ValueError(f"target holds {len(self.target)} faces, images {faces}")

    @property
    def conditions(self) -> Tensor:
        """All conditions, (L, F, C); L is 1 where there is only one."""
        return self.condition if self.condition.ndim == 3 else self.condition[None]

    def piece(self, faces: slice) -> Problem:
        """The same problem for some of its faces."""
        start = faces.indices(len(self.images))[0]
        return Problem(
            generate=self.generate,
            images=self.images[faces],
            condition=self.condition[..., faces, :],
            target=None if self.target is None else self.target[faces],
            first=self.first + start,
            defence=None if self.defence is None else self.defence.piece(faces),
        )


@dataclass(frozen=True, kw_only=True)
class Options:
    """How strong and how long; None leaves a value to the method (METHOD 7)."""

    epsilon: float = 0.05
    """Bound of the maximum norm, [-1, 1] units; of the chroma-only method the bound of (a, b)
    divided by 110."""
    step_size: float | None = None
    """Length of a step, [-1, 1] units; the learning rate where the method uses Adam."""
    steps: int | None = None
    """Gradient steps."""
    restarts: int | None = None
    """Runs from different starts, of which each face keeps its best; adaptive 5, others 1."""
    samples: int | None = None
    """Loss evaluations (SPSA) or draws of the defence (adaptive) a step."""
    trade_offs: int | None = None
    """C&W: values of b that are tried, each with all steps; 5 where None."""
    layer: int | None = None
    """Feature attack: index in the generator's trunk; its last residual block where None."""
    evasion: float = 1.0
    """Adaptive: weight lambda_e of passing the detector, beside the disruption."""
    seed: int = 0
    """Of everything random, which is drawn on the CPU and so the same on every device."""

    def __post_init__(self) -> None:
        positive = {
            "step_size": self.step_size,
            "samples": self.samples,
            "trade_offs": self.trade_offs,
        }
        for name, value in {"epsilon": self.epsilon, **positive}.items():
            if value is not None and not value > 0:
                raise ValueError(f"{name} is {value}, must be above 0")
        if (self.steps is not None and self.steps < 0) or self.restarts == 0:
            raise ValueError(f"{self.steps} steps and {self.restarts} restarts are not possible")


@dataclass(frozen=True)
class Perturbed:
    """What an attack gives: images in [0, 1] within the bound, and what was before bounding."""

    images: Tensor
    """(F, 3, S, S) in [0, 1]."""
    unbounded: Tensor | None = None
    """C&W: (F, 3, S, S) as found, before it is clipped to the epsilon ball."""
    found: Tensor | None = None
    """C&W: (F,) booleans, True where some trade-off was successful before clipping."""
    along: Mapping[int, Tensor] = field(default_factory=dict)
    """Attacks by signed steps from one start: (F, 3, S, S) after so many steps (`loop.MARKS`), as
    if the attack had ended there; empty where restarts compete."""


class Attack(Protocol):
    """Any of `registry.ATTACKS`."""

    def __call__(self, problem: Problem, options: Options) -> Perturbed:
        """Perturb the faces of a problem."""


def squared_error(a: Tensor, b: Tensor) -> Tensor:
    """L of METHOD 7: mean squared error of each face, (F,), in [-1, 1] units."""
    return 4 * (a - b).square().flatten(1).mean(dim=1)


class Goal:
    """What an attack raises: distances of outputs from their references, one a condition.

    With a target it is the negative distance from the target.
    """

    def __init__(self, problem: Problem) -> None:
        self.generate = problem.generate
        self.conditions = problem.conditions
        self.sign = 1.0 if problem.target is None else -1.0
        with torch.no_grad():
            self.references = [
                problem.generate(problem.images, condition) if problem.target is None else
                problem.target for condition in self.conditions
            ]  # fmt: skip

    def __len__(self) -> int:
        return len(self.conditions)

    def one(self, images: Tensor, which: int = 0) -> Tensor:
        """Under one condition, (F,)."""
        return self.apart(self.generate(images, self.conditions[which]), which)

    def apart(self, output: Tensor, which: int = 0) -> Tensor:
        """The same of translations that are there already."""
        return self.sign * squared_error(output, self.references[which])

    def joint(self, images: Tensor) -> Tensor:
        """Summed over all conditions, (F,)."""
        return torch.stack([self.one(images, which) for which in range(len(self))]).sum(dim=0)
