"""C&W: the least change whose output is broken, then clipped to the bound.

Source: Carlini and Wagner, IEEE S&P 2017: x_hat = tanh(w) keeps the range, Adam minimises the
change against the loss, a binary search finds the trade-off b. The change is measured by its
mean square, so that both terms lie on one scale; the rate and the number of steps are ours
(METHOD 7). The published attack has no epsilon: both sides of the clipping are given back.
"""

from __future__ import annotations

import torch
from torch import Tensor

from magdr_video.attacks.loop import project, uniform_noise
from magdr_video.attacks.problem import Goal, Options, Perturbed, Problem, squared_error
from magdr_video.attacks.signed import JITTER
from magdr_video.attacks.success import DISRUPTED
from magdr_video.device import coarse_products

STEPS = 200
RATE = 0.01
SEARCH_STEPS = 5
FIRST_TRADE_OFF = 1.0
RAISE = 10.0
"""Factor by which b grows while nothing has succeeded yet."""
INSIDE = 0.999999
"""Pixels are drawn this far into the range, since atanh of its ends is infinite."""


def carlini_wagner(problem: Problem, options: Options) -> Perturbed:
    """Minimise mean(delta^2) - b L, or + b L toward a target; `trade_offs` values of b from 1.

    A face's attack has succeeded once L exceeds the disruption threshold 0.05, or once a targeted
    one has halved the distance of the clean translation. Of its successes each face keeps the
    one with the smallest change; without any it keeps the largest L that it reached.
    """
    goal = Goal(problem)
    search = _Search(problem, goal)
    trials = SEARCH_STEPS if options.trade_offs is None else options.trade_offs
    for _ in range(trials):
        _minimise(problem, options, goal, search)
        search.next_trade_off()
    return Perturbed(
        images=project(search.best, problem.images, options.epsilon),
        unbounded=search.best,
        found=search.found,
    )


class _Search:
    """The binary search over b of each face, and the best image so far."""

    def __init__(self, problem: Problem, goal: Goal) -> None:
        images = problem.images
        ones = torch.ones(len(images), device=images.device)
        self.images = images
        self.bar = ones * DISRUPTED if problem.target is None else _half_way(problem, goal)
        self.b = ones * FIRST_TRADE_OFF
        self.low, self.high = ones * 0, ones * float("inf")
        self.best = images
        self.found = ones < 0
        self._change, self._loss = ones * float("inf"), ones * float("-inf")
        self._now = self.found

    def note(self, candidate: Tensor, loss: Tensor) -> None:
        """Keep what is better than the best; `loss` (F,) is what the goal raises."""
        success = loss > self.bar
        change = squared_error(candidate, self.images)
        better = torch.where(
            success, ~self.found | (change < self._change), ~self.found & (loss > self._loss)
        )
        self.best = torch.where(better[:, None, None, None], candidate, self.best)
        self._change = torch.where(better, change, self._change)
        self._loss = torch.where(better, loss, self._loss)
        self.found = self.found | success
        self._now = self._now | success

    def next_trade_off(self) -> None:
        """Halve the interval: smaller b after a success, larger after a failure."""
        self.high = torch.where(self._now, self.b, self.high)
        self.low = torch.where(self._now, self.low, self.b)
        between = (self.low + self.high) / 2
        self.b = torch.where(self.high.isinf(), self.b * RAISE, between)
        self._now = torch.zeros_like(self._now)


def _half_way(problem: Problem, goal: Goal) -> Tensor:
    with torch.no_grad():
        return goal.one(problem.images) / 2


def _minimise(problem: Problem, options: Options, goal: Goal, search: _Search) -> None:
    noise = uniform_noise(problem.images, options.seed, problem.first)
    origin = problem.images * 2 - 1
    start = (origin + JITTER * noise).clamp(-1, 1)
    held = torch.atanh(INSIDE * start).requires_grad_(True)
    rate = RATE if options.step_size is None else options.step_size
    adam = torch.optim.Adam([held], lr=rate)
    for _ in range(STEPS if options.steps is None else options.steps):
        candidate = (torch.tanh(held) + 1) / 2
        with coarse_products():
            loss = goal.one(candidate)
            change = squared_error(candidate, problem.images)
            (held.grad,) = torch.autograd.grad((change - search.b * loss).sum(), held)
        search.note(candidate.detach(), loss.detach())
        adam.step()
    with torch.no_grad():
        last = (torch.tanh(held) + 1) / 2
        search.note(last, goal.one(last))
