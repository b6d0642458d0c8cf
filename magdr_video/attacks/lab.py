"""Anti-Forgery: a perturbation of colour alone, invisible in lightness.

Source: Wang et al., IJCAI 2022: the change lives in the (a, b) planes of Lab, Adam at 1e-4 raises
the output error for 100 steps while the label cycles; (a, b) / 110 may change by 0.05 at most.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.attacks.loop import uniform_noise
from magdr_video.attacks.problem import Goal, Options, Perturbed, Problem
from magdr_video.device import coarse_products

RATE = 1e-4
STEPS = 100
SCALE = 110.0
"""Lab units of (a, b) that count as 1."""


def chroma_only(problem: Problem, options: Options) -> Perturbed:
    """Raise the output error through (a, b); `epsilon` bounds their change over 110.

    The published start is zero, where the gradient of eq. 1 vanishes and rounding decides the
    way; ours is one step beside it, seeded.
    """
    goal = Goal(problem)
    lab = to_lab(problem.images)
    noise = uniform_noise(problem.images[:, 1:], options.seed, problem.first)
    change = (RATE * noise).requires_grad_(True)
    rate = RATE if options.step_size is None else options.step_size
    adam = torch.optim.Adam([change], lr=rate)
    for step in range(STEPS if options.steps is None else options.steps):
        with coarse_products():
            loss = goal.one(recolour(lab, change), step % len(goal))
            (slope,) = torch.autograd.grad(loss.sum(), change)
        change.grad = -slope
        adam.step()
        with torch.no_grad():
            change.clamp_(-options.epsilon, options.epsilon)
    with torch.no_grad():
        return Perturbed(recolour(lab, change))


def recolour(lab: Tensor, change: Tensor) -> Tensor:
    """Images in [0, 1] of Lab planes whose (a, b) / 110 are changed by (F, 2, S, S)."""
    from kornia.color import lab_to_rgb

    moved = torch.cat([lab[:, :1], lab[:, 1:] + SCALE * change], dim=1)
    out: Tensor = lab_to_rgb(moved, clip=True)
    return out.clamp(0, 1)


def to_lab(images: Tensor) -> Tensor:
    """(F, 3, S, S): L in 0..100, a and b in about -110..110, D65."""
    from kornia.color import rgb_to_lab

    out: Tensor = rgb_to_lab(images)
    return out
