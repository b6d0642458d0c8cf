"""The one loop of the sign-gradient attacks, its starts and its bound.

Source: Madry et al., ICLR 2018 (PGD); Dong et al., CVPR 2018 (momentum); after each step the
change is projected to the epsilon ball and the image to its range (METHOD 7).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from magdr_video.device import coarse_products

Objective = Callable[[Tensor, int], Tensor]
"""Images (F, 3, S, S) and the step's number to what each face's attack raises, (F,)."""

Gradient = Callable[[Tensor, int], Tensor]
"""Images and the step's number to the direction of ascent, of the images' shape."""


Note = Callable[[int, Tensor], None]
"""Told the number of steps done and the point reached."""

MARKS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Numbers of steps after which the points of an ascent are kept, for curves over iterations."""


def project(images: Tensor, origin: Tensor, epsilon: float) -> Tensor:
    """The nearest images in [0, 1] within epsilon (in [-1, 1] units) of the origin, exactly.

    `origin + reach` is rounded, so that it can lie beyond the bound by the spacing of floats at
    the larger of both; such values step back toward the origin by as much. (A step of their own
    spacing is not enough for dark pixels: 0.0001 lies denser than the 0.0251 it is taken from.)
    """
    reach = epsilon / 2
    inside = torch.clamp(torch.clamp(images, origin - reach, origin + reach), 0, 1)
    beyond = (inside.double() - origin.double()).abs() > reach
    larger = torch.maximum(inside, origin)
    spacing = torch.nextafter(larger, larger + 1) - larger
    return torch.where(beyond, inside + spacing * torch.sign(origin - inside), inside)


def round_within(images: Tensor, origin: Tensor, epsilon: float) -> Tensor:
    """Round to 8-bit levels toward the origin where rounding would leave the epsilon ball."""
    levels = (images * 255).round()
    low = torch.ceil((origin - epsilon / 2) * 255 - 1e-3)
    high = torch.floor((origin + epsilon / 2) * 255 + 1e-3)
    return (torch.clamp(levels, low, high) / 255).clamp(0, 1)


def face_seed(seed: int, *numbers: int) -> int:
    """A seed of one face's own, from the run's seed and whatever tells the draws apart."""
    return int(np.random.SeedSequence((seed, *numbers)).generate_state(1, np.uint64)[0] >> 1)


def uniform_noise(images: Tensor, seed: int, first: int, run: int = 0) -> Tensor:
    """Noise in [-1, 1] of the images' shape; each face's own, whatever the batch and device."""
    return _noise(images, seed, first, run) * 2 - 1


def sign_noise(images: Tensor, seed: int, first: int, run: int = 0) -> Tensor:
    """Noise of -1 and 1, drawn as `uniform_noise`."""
    return torch.where(_noise(images, seed, first, run) < 0.5, -1.0, 1.0)


def _noise(images: Tensor, seed: int, first: int, run: int) -> Tensor:
    if len(images) == 0:
        return torch.zeros_like(images)
    draws = []
    for face in range(len(images)):
        generator = torch.Generator().manual_seed(face_seed(seed, first + face, run))
        draws.append(torch.rand(images.shape[1:], generator=generator))
    return torch.stack(draws).to(images)


def slope_of(objective: Objective) -> Gradient:
    """The gradient of an objective by automatic differentiation.

    The losses are summed, not averaged, so that no face's gradient depends on the batch.
    """

    def gradient(images: Tensor, step: int) -> Tensor:
        held = images.detach().requires_grad_(True)
        with coarse_products():
            (slope,) = torch.autograd.grad(objective(held, step).sum(), held)
        return slope

    return gradient


def ascend(
    gradient: Gradient,
    start: Tensor,
    bound: Callable[[Tensor], Tensor],
    *,
    step_size: float,
    steps: int,
    momentum: float = 0.0,
    note: Note | None = None,
) -> Tensor:
    """Climb by the gradient's sign.

    Args:
        gradient: the direction of ascent at a point; `slope_of` makes it from an objective.
        start: where to begin, already within the bound; images, or changes of images.
        bound: brings a point back to where it is allowed to be.
        step_size: in [-1, 1] units.
        momentum: share of the earlier direction that is kept, gradients normalised by their
            mean magnitude; 0 is plain PGD.
        note: called after every step.
    """
    point = start
    direction = torch.zeros_like(start)
    for step in range(steps):
        slope = gradient(point, step)
        if momentum:
            size = slope.abs().flatten(1).mean(dim=1)[:, None, None, None]
            slope = slope / size.clamp(min=1e-20)
        direction = momentum * direction + slope
        with torch.no_grad():
            point = bound(point + step_size / 2 * direction.sign())
        if note is not None:
            note(step + 1, point)
    return point


def keep_marks(kept: dict[int, Tensor]) -> Note:
    """Keeps the points after `MARKS` steps."""

    def note(steps: int, point: Tensor) -> None:
        if steps in MARKS:
            kept[steps] = point

    return note


def best_of(
    attempt: Callable[[int], Tensor], measure: Callable[[Tensor], Tensor], restarts: int
) -> Tensor:
    """Each face's best of several attempts by a measure (F,); a single one is not measured."""
    best = attempt(0)
    if restarts == 1:
        return best
    with torch.no_grad():
        score = measure(best)
        for run in range(1, restarts):
            with torch.enable_grad():
                again = attempt(run)
            reached = measure(again)
            better = reached > score
            best = torch.where(better[:, None, None, None], again, best)
            score = torch.where(better, reached, score)
    return best
