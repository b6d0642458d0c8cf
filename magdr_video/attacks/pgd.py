"""PGD and FGSM as plain functions, for callers that need no choice of method."""

from __future__ import annotations

from torch import Tensor

from magdr_video.attacks import signed
from magdr_video.attacks.loop import project, round_within
from magdr_video.attacks.problem import Generate, Options, Problem

__all__ = ["Generate", "fgsm", "pgd", "project", "round_within"]


def pgd(
    generate: Generate,
    images: Tensor,
    condition: Tensor,
    *,
    epsilon: float = 0.05,
    step_size: float = 0.01,
    steps: int = 10,
    target: Tensor | None = None,
    seed: int = 0,
) -> Tensor:
    """Perturb images so that their translation breaks, or becomes `target`.

    Args:
        images: (F, 3, S, S) in [0, 1].
        condition: (F, C).
        epsilon: bound of the maximum norm, [-1, 1] units.
        step_size: length of a step, [-1, 1] units.
        steps: gradient steps from a random start in the ball.
        target: (F, 3, S, S) in [0, 1] that the translation is moved toward (eq. 2); without it
            the translation is moved away from that of the clean images (eq. 1).
        seed: of the random start, which is drawn on the CPU and so the same on every device.

    Returns:
        Images (F, 3, S, S) in [0, 1], exactly within the bound.
    """
    problem = Problem(generate, images, condition, target)
    options = Options(epsilon=epsilon, step_size=step_size, steps=steps, seed=seed)
    return signed.pgd(problem, options).images


def fgsm(
    generate: Generate, images: Tensor, condition: Tensor, *, epsilon: float = 0.05, seed: int = 0
) -> Tensor:
    """One signed gradient step of length epsilon from a slightly jittered start."""
    problem = Problem(generate, images, condition)
    return signed.fgsm(problem, Options(epsilon=epsilon, seed=seed)).images
