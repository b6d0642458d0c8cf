"""One perturbation for a whole track: the same in every crop, or carried along the motion.

Averaging neighbouring frames removes perturbations that are made frame by frame, since they are
nearly uncorrelated; one that is shared stays (METHOD 12).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from magdr_video.attacks.loop import project
from magdr_video.attacks.motion import carry
from magdr_video.attacks.problem import Generate, Options, Problem
from magdr_video.attacks.registry import attack
from magdr_video.errors import SettingsError, nearest

METHODS = ("fgsm", "ifgsm", "pgd", "momentum", "cw", "iterated", "joint", "spsa", "uniform", "sign")
"""The attacks that know the image by its output only, and so can be made for many at once."""

MOST_FACES = 24
"""Crops of a track that its perturbation is made on; bounds memory and time."""

CHUNK = 8
"""Crops that go through the generator at once."""

_GREY = 0.5
"""Stands for no change: a change d is the image 0.5 + d, so that every attack can make it."""


@dataclass
class TrackSample:
    """Crops of one track, spread evenly over it."""

    crops: list[Tensor] = field(default_factory=list)
    """(3, S, S) each, in [0, 1]."""
    grids: list[Tensor] = field(default_factory=list)
    """(S, S, 2) each, see `motion`; none where the perturbation does not move."""
    _stride: int = 1
    _seen: int = 0

    def add(self, crop: Tensor, grid: Tensor | None = None) -> None:
        """Look at the next crop of the track; every n-th is kept, n doubling when it is full."""
        if self._seen % self._stride == 0:
            if len(self.crops) == MOST_FACES:
                self.crops, self.grids = self.crops[::2], self.grids[::2]
                self._stride *= 2
            if self._seen % self._stride == 0:
                self.crops.append(crop)
                self.grids += [] if grid is None else [grid]
        self._seen += 1


def track_change(
    name: str,
    generate: Generate,
    sample: TrackSample,
    conditions: Tensor,
    options: Options,
    *,
    targeted: bool = False,
    number: int = 0,
) -> Tensor:
    """The change (1, 3, S, S), within +-epsilon/2, that harms the sample's outputs most together.

    Args:
        name: one of `METHODS`.
        sample: at least one crop.
        conditions: (L, C), as the attack uses them.
        targeted: move each translation toward its own input, as `replace` is attacked.
        number: of the track, for its random numbers.

    Raises:
        SettingsError: the attack needs the images themselves.
    """
    if name not in METHODS:
        raise SettingsError(
            f"'{name}' cannot make one perturbation for many frames", hint=nearest(name, METHODS)
        )
    images = torch.stack(sample.crops)
    grids = torch.stack(sample.grids) if sample.grids else None

    def outputs(grey: Tensor, condition: Tensor) -> Tensor:
        """Translations of all crops with the change, one below the other: (1, 3, T S, S)."""
        parts = []
        for start in range(0, len(images), CHUNK):
            part = slice(start, start + CHUNK)
            held = None if grids is None else grids[part]
            # Only the change needs a gradient; activations are computed anew on the way back.
            parts.append(checkpoint(_through, generate, grey, images[part], held, condition,
                                    use_reentrant=False))  # fmt: skip
        return _stacked(torch.cat(parts))

    problem = Problem(
        generate=outputs,
        images=torch.full_like(images[:1], _GREY),
        condition=conditions[:, None],
        target=_stacked(images) if targeted else None,
        first=number,
    )
    return attack(name, problem, options).images - _GREY


def with_change(images: Tensor, change: Tensor, grids: Tensor | None, epsilon: float) -> Tensor:
    """Crops (F, 3, S, S) that carry the change of their track, exactly within the bound."""
    moved = change if grids is None else carry(change, grids)
    return project(images + moved, images, epsilon)


def _through(
    generate: Generate, grey: Tensor, images: Tensor, grids: Tensor | None, condition: Tensor
) -> Tensor:
    change = grey - _GREY
    moved = change if grids is None else carry(change, grids)
    return generate((images + moved).clamp(0, 1), condition.expand(len(images), -1))


def _stacked(images: Tensor) -> Tensor:
    return images.transpose(0, 1).flatten(1, 2)[None]
