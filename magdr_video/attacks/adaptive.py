"""The adaptive attack (paper, eq. 3): end to end through the whole defence.

BPDA for what is not differentiable and EOT over candidate paths, random draws and transforms
(Athalye et al., ICML 2018), detector evasion in the loss, restarts and a sweep of step sizes
(Tramer et al., NeurIPS 2020; METHOD 7).
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.attacks.defence import Defence, Path
from magdr_video.attacks.loop import (
    Objective,
    ascend,
    best_of,
    face_seed,
    keep_marks,
    project,
    slope_of,
    uniform_noise,
)
from magdr_video.attacks.problem import Goal, Options, Perturbed, Problem
from magdr_video.errors import SettingsError

STEP_SIZE = 0.01
STEPS = 10
SAMPLES = 20
"""Draws of the defence a step, at least."""
RESTARTS = 5
SWEEP = (0.5, 1.0, 2.0)
"""Factors of the step size, which the restarts take in turn."""


def adaptive(problem: Problem, options: Options) -> Perturbed:
    """Raise the mean output error over draws of the defence, minus lambda_e times S_final.

    Both gradients are brought to one size first, so that lambda_e = 1 gives them equal weight.
    Each restart takes the next factor of the sweep; a face keeps the attempt that does most harm
    behind the defence itself.

    Raises:
        SettingsError: the problem names no defence.
    """
    if problem.defence is None:
        raise SettingsError(
            "the adaptive attack needs to know the defence", hint="choose pgd otherwise"
        )
    goal, defence = Goal(problem), problem.defence
    samples = SAMPLES if options.samples is None else options.samples
    size = STEP_SIZE if options.step_size is None else options.step_size

    along: dict[int, Tensor] = {}

    def bound(images: Tensor) -> Tensor:
        return project(images, problem.images, options.epsilon)

    def attempt(run: int) -> Tensor:
        noise = uniform_noise(problem.images, options.seed, problem.first, run)

        def gradient(images: Tensor, step: int) -> Tensor:
            seed = face_seed(options.seed, run, step)
            return _slope(images, goal, defence, samples, options.evasion, seed)

        return ascend(
            gradient,
            bound(problem.images + options.epsilon / 2 * noise),
            bound,
            step_size=size * SWEEP[run % len(SWEEP)],
            steps=STEPS if options.steps is None else options.steps,
            note=keep_marks(along),
        )

    restarts = RESTARTS if options.restarts is None else options.restarts
    best = best_of(attempt, lambda images: _harm(images, goal, defence), restarts)
    return Perturbed(best, along=along if restarts == 1 else {})


def _slope(
    images: Tensor, goal: Goal, defence: Defence, samples: int, evasion: float, seed: int
) -> Tensor:
    """Mean gradient over draws of the defence; draw by draw, so that memory holds one."""
    total = torch.zeros_like(images)
    for draw in range(samples):
        path = defence.paths[draw % len(defence.paths)]
        total += slope_of(_through(goal, path, face_seed(seed, draw)))(images, draw)
    if defence.score is None or evasion == 0:
        return total
    score, condition = defence.score, goal.conditions[0]
    seen = slope_of(lambda held, _: score(held, condition))(images, 0)
    return _unit(total) - evasion * _unit(seen)


def _unit(slope: Tensor) -> Tensor:
    """Mean magnitude 1 for each face: L counts squared errors, S_final clean deviations."""
    size = slope.abs().flatten(1).mean(dim=1)[:, None, None, None]
    return slope / size.clamp(min=1e-20)


def _through(goal: Goal, path: Path, seed: int) -> Objective:
    return lambda images, _: goal.one(path(images, seed))


def _harm(images: Tensor, goal: Goal, defence: Defence) -> Tensor:
    """What is left of the attack behind the defence itself, (F,); over all paths without it."""
    if defence.defended is None:
        harm = [goal.one(path(images, 0)) for path in defence.paths]
        return torch.stack(harm).mean(dim=0)
    return goal.apart(defence.defended(images, goal.conditions[0]))
