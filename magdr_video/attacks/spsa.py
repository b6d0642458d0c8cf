"""SPSA: PGD whose gradient is estimated from loss values alone.

Source: Spall 1992; Uesato et al., ICML 2018. If it beats the gradient attack, the gradients are
masked and the figures of the gradient attack are worthless (METHOD 9.3).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from magdr_video.attacks.loop import ascend, best_of, face_seed, project, uniform_noise
from magdr_video.attacks.problem import Goal, Options, Perturbed, Problem
from magdr_video.attacks.signed import STEP_SIZE, STEPS

SAMPLES = 2048
RADIUS = 0.01
"""Length of the probes, [-1, 1] units."""


def spsa(problem: Problem, options: Options) -> Perturbed:
    """PGD on differences of the loss along random signs, `samples` evaluations a step."""
    goal = Goal(problem)
    samples = SAMPLES if options.samples is None else options.samples

    def bound(images: Tensor) -> Tensor:
        return project(images, problem.images, options.epsilon)

    def attempt(run: int) -> Tensor:
        def gradient(images: Tensor, step: int) -> Tensor:
            seeds = [
                face_seed(options.seed, problem.first + face, run, 1 + step)
                for face in range(len(images))
            ]
            return estimate(goal.one, images, seeds, samples // 2)

        noise = uniform_noise(problem.images, options.seed, problem.first, run)
        return ascend(
            gradient,
            bound(problem.images + options.epsilon / 2 * noise),
            bound,
            step_size=STEP_SIZE if options.step_size is None else options.step_size,
            steps=STEPS if options.steps is None else options.steps,
        )

    return Perturbed(best_of(attempt, goal.one, options.restarts or 1))


@torch.no_grad()
def estimate(
    loss: Callable[[Tensor], Tensor], images: Tensor, seeds: list[int], pairs: int
) -> Tensor:
    """The gradient from pairs of probes at +-`RADIUS`, each face with its own signs."""
    draws = [torch.Generator().manual_seed(seed) for seed in seeds]
    total = torch.zeros_like(images)
    for _ in range(pairs):
        signs = torch.stack(
            [torch.randint(0, 2, images.shape[1:], generator=draw) * 2.0 - 1 for draw in draws]
        ).to(images)
        ahead = loss(images + RADIUS / 2 * signs)
        behind = loss(images - RADIUS / 2 * signs)
        total += ((ahead - behind) / (2 * RADIUS))[:, None, None, None] * signs
    return total / pairs
