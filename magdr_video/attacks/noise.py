"""Controls: noise of the attacks' maximum norm that knows nothing of the generator."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from magdr_video.attacks.loop import best_of, project, sign_noise, uniform_noise
from magdr_video.attacks.problem import Goal, Options, Perturbed, Problem

Draw = Callable[[Tensor, int, int, int], Tensor]


def uniform(problem: Problem, options: Options) -> Perturbed:
    """Noise drawn from U(-epsilon, epsilon); with restarts the most harmful of the draws."""
    return _best_draw(problem, options, uniform_noise)


def sign(problem: Problem, options: Options) -> Perturbed:
    """Noise of +-epsilon, which has the norm of a full sign-gradient perturbation."""
    return _best_draw(problem, options, sign_noise)


def _best_draw(problem: Problem, options: Options, draw: Draw) -> Perturbed:
    def attempt(run: int) -> Tensor:
        noise = draw(problem.images, options.seed, problem.first, run)
        return project(
            problem.images + options.epsilon / 2 * noise, problem.images, options.epsilon
        )

    restarts = options.restarts or 1
    return Perturbed(best_of(attempt, Goal(problem).one, restarts) if restarts > 1 else attempt(0))
