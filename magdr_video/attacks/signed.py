"""The sign-gradient attacks as METHOD 7 lists them, each a start and an objective of the loop.

Sources: Goodfellow et al., ICLR 2015 (FGSM); Kurakin et al., ICLR 2017 (I-FGSM); Madry et al.,
ICLR 2018 (PGD); Ruiz et al., ECCV Workshops 2020 (losses on a generator's output, iterated and
joint conditions, blur); Huang et al., AAAI 2022 (momentum 0.5, CMUA-Watermark).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.attacks.loop import (
    Objective,
    ascend,
    best_of,
    keep_marks,
    project,
    slope_of,
    uniform_noise,
)
from magdr_video.attacks.problem import Goal, HasActivations, Options, Perturbed, Problem
from magdr_video.errors import SettingsError

STEP_SIZE = 0.01
STEPS = 10
JITTER = 0.001
"""Start of FGSM in [-1, 1]: at the image itself the gradient of eq. 1 is exactly zero."""
MOMENTUM = 0.5
GAUSSIAN_SIDE = 11
GAUSSIAN_SIGMAS = (1.0, 1.5, 2.0, 2.5, 3.0)
AVERAGE_SIDES = (5, 7, 9)
LAST_BLOCK = -1
"""Layer of `HasActivations`: the last residual block, whatever its index."""


def _climb(
    problem: Problem,
    options: Options,
    objective: Objective,
    measure: Callable[[Tensor], Tensor],
    *,
    spread: float | None = None,
    step_size: float = STEP_SIZE,
    steps: int = STEPS,
    momentum: float = 0.0,
) -> Perturbed:
    """The loop from random starts; `spread` is their reach, epsilon where None."""
    epsilon = options.epsilon
    reach = epsilon if spread is None else spread
    along: dict[int, Tensor] = {}

    def bound(images: Tensor) -> Tensor:
        return project(images, problem.images, epsilon)

    def attempt(run: int) -> Tensor:
        noise = uniform_noise(problem.images, options.seed, problem.first, run)
        return ascend(
            slope_of(objective),
            bound(problem.images + reach / 2 * noise),
            bound,
            step_size=step_size if options.step_size is None else options.step_size,
            steps=steps if options.steps is None else options.steps,
            momentum=momentum,
            note=keep_marks(along),
        )

    restarts = options.restarts or 1
    best = best_of(attempt, measure, restarts)
    return Perturbed(best, along=along if restarts == 1 else {})


def fgsm(problem: Problem, options: Options) -> Perturbed:
    """One signed step of length epsilon from a slightly jittered start."""
    goal = Goal(problem)
    whole = Options(
        epsilon=options.epsilon, step_size=options.epsilon, steps=1,
        restarts=options.restarts, seed=options.seed,
    )  # fmt: skip
    return _climb(problem, whole, lambda x, _: goal.one(x), goal.one, spread=JITTER)


def iterated_fgsm(problem: Problem, options: Options) -> Perturbed:
    """FGSM in small steps."""
    goal = Goal(problem)
    return _climb(problem, options, lambda x, _: goal.one(x), goal.one, spread=JITTER)


def pgd(problem: Problem, options: Options) -> Perturbed:
    """Projected gradient descent from a random start in the ball: the paper's main attack."""
    goal = Goal(problem)
    return _climb(problem, options, lambda x, _: goal.one(x), goal.one)


def momentum_pgd(problem: Problem, options: Options) -> Perturbed:
    """PGD that keeps half of its earlier direction."""
    goal = Goal(problem)
    return _climb(problem, options, lambda x, _: goal.one(x), goal.one, momentum=MOMENTUM)


def iterated_conditions(problem: Problem, options: Options) -> Perturbed:
    """PGD whose condition cycles, one a step."""
    goal = Goal(problem)
    return _climb(problem, options, lambda x, step: goal.one(x, step % len(goal)), goal.joint)


def joint_conditions(problem: Problem, options: Options) -> Perturbed:
    """PGD on the sum of the losses over all conditions."""
    goal = Goal(problem)
    return _climb(problem, options, lambda x, _: goal.joint(x), goal.joint)


def blur_eot(problem: Problem, options: Options) -> Perturbed:
    """PGD on the sum of the losses over blurred copies of the input.

    Reading of the paper's eq. 3: the blur is applied to the input. Borders are reflected; the
    published code pads with zeros, which darkens them.
    """
    goal = Goal(problem)

    def objective(images: Tensor, _: int) -> Tensor:
        total = goal.one(blurs(images, 0))
        for which in range(1, len(GAUSSIAN_SIGMAS) + len(AVERAGE_SIDES)):
            total = total + goal.one(blurs(images, which))
        return total

    return _climb(problem, options, objective, lambda x: objective(x, 0))


def blurs(images: Tensor, which: int) -> Tensor:
    """The kernels of `blur_eot` by number: Gaussians of 11 pixels, then averages."""
    if which >= len(GAUSSIAN_SIGMAS):
        side = AVERAGE_SIDES[which - len(GAUSSIAN_SIGMAS)]
        padded = F.pad(images, (side // 2,) * 4, mode="reflect")
        return F.avg_pool2d(padded, side, stride=1)
    reach, channels = GAUSSIAN_SIDE // 2, images.shape[1]
    at = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    weights = torch.exp(-(at**2) / (2 * GAUSSIAN_SIGMAS[which] ** 2))
    row = (weights / weights.sum())[None, None, None].expand(channels, 1, 1, -1)
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.transpose(2, 3), groups=channels)


def feature(problem: Problem, options: Options) -> Perturbed:
    """PGD on the activations of one layer instead of the output.

    Raises:
        SettingsError: the generator does not show its activations.
    """
    generate = problem.generate
    if not isinstance(generate, HasActivations):
        raise SettingsError(
            "the feature attack needs a generator whose layers are known",
            hint="StarGAN, GANimation and CycleGAN are; choose another method otherwise",
        )
    layer = LAST_BLOCK if options.layer is None else options.layer
    inside = replace(problem, generate=lambda x, held: generate.activations(x, held, layer))
    goal = Goal(inside)
    if problem.target is not None:
        # The target is an output; the layer sees inputs, so its reference is the target's own.
        with torch.no_grad():
            goal.references = [inside.generate(problem.target, goal.conditions[0])]
    return _climb(problem, options, lambda x, _: goal.one(x), goal.one)
