"""The critic of patches: it learns to tell outputs from targets, and says where."""

from __future__ import annotations

import torch

from magdr_video.training.critic import Contest

NOTHING = torch.zeros(4, 0)


def pair() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Sources, targets with fine stripes and outputs without them, (4, 3, 32, 32)."""
    torch.manual_seed(0)
    source = torch.rand(4, 3, 32, 32) - 0.5
    stripes = 0.4 * torch.sign(torch.sin(torch.arange(32) * 1.6))
    return source, source + stripes, source.clone()


def test_a_critic_learns_what_outputs_lack_and_asks_for_it() -> None:
    source, target, out = pair()
    contest = Contest(0, 2e-3, "cpu")
    area = torch.ones(4, 1, 32, 32)
    losses = [float(contest.learn(source, target, out, NOTHING, area)) for _ in range(40)]
    assert losses[-1] < 0.5 * losses[0]
    lacking = contest.persuade(source, target, out, NOTHING, area)
    holding = contest.persuade(source, target, target, NOTHING, area)
    assert lacking > holding + 1


def test_only_patches_in_which_the_pair_differs_are_asked_for() -> None:
    source, target, out = pair()
    contest = Contest(0, 2e-3, "cpu")
    area = torch.zeros(4, 1, 32, 32)
    area[..., :12] = 1
    made = out.clone().requires_grad_()
    contest.persuade(source, target, made, NOTHING, area).backward()
    assert made.grad is not None
    assert made.grad[..., :12].abs().sum() > 0
    # A score sees about 34 px around it: beyond what the weighted ones see nothing is asked.
    assert made.grad[..., 31].abs().sum() < 0.05 * made.grad[..., 6].abs().sum()


def test_the_condition_is_part_of_what_is_judged() -> None:
    source, target, _ = pair()
    critic = Contest(2, 2e-3, "cpu").critic.eval()
    one, other = torch.zeros(4, 2), torch.ones(4, 2)
    assert not torch.allclose(critic(source, target, one)[-1], critic(source, target, other)[-1])
