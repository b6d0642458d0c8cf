"""A critic of patches: the adversarial finish of the trainings on pairs.

L1 alone paints the mean of what could be there: teeth become a grey band, stubble a tint. A small
network that tells outputs from targets, patch by patch, is what asks for one of the possibilities.

Sources: PatchGAN conditioned on the source (Isola et al., "Image-to-image translation with
conditional adversarial networks", CVPR 2017), hinge loss and spectral norm (Miyato et al., ICLR
2018), feature matching (Wang et al., "High-resolution image synthesis", CVPR 2018). We differ in
the weights of the patches: those in which the pair differs count, whatever their share.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from magdr_video.training.loop import Averaged, NetT


def _layer(inputs: int, outputs: int, stride: int) -> nn.Module:
    layer: nn.Module = spectral_norm(nn.Conv2d(inputs, outputs, 4, stride, 1))
    return layer


class PatchCritic(nn.Module):
    """Images under a source and a condition to a score for each patch.

    Args:
        condition: length of the condition; 0 for none.
        width: channels of the first layer.
    """

    def __init__(self, *, condition: int, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                _layer(6 + condition, width, 2),
                _layer(width, 2 * width, 2),
                _layer(2 * width, 4 * width, 1),
            ]
        )
        self.last = _layer(4 * width, 1, 1)

    def forward(self, source: Tensor, image: Tensor, condition: Tensor) -> list[Tensor]:
        """Features of each layer, and last the scores (F, 1, h, w).

        Args:
            source, image: (F, 3, S, S) in [-1, 1].
            condition: (F, C).
        """
        planes = condition[:, :, None, None].expand(-1, -1, *image.shape[-2:])
        held = torch.cat([source, image, planes.to(image.dtype)], dim=1)
        found = []
        for layer in self.layers:
            held = F.leaky_relu(layer(held), 0.2)
            found.append(held)
        return [*found, self.last(held)]


def _weighted(values: Tensor, area: Tensor) -> Tensor:
    """Mean of values (F, C, h, w) over an area (F, 1, S, S), each image counting once."""
    weight = F.adaptive_avg_pool2d(area, (values.shape[-2], values.shape[-1]))
    weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True).clamp_min(0.01)
    return (values * weight).mean()


class Contest:
    """A critic in training beside a generator.

    Args:
        condition: length of the condition; 0 for none.
        rate: learning rate of the critic.
        device: where it trains.
    """

    def __init__(self, condition: int, rate: float, device: torch.device | str) -> None:
        self.critic = PatchCritic(condition=condition).to(device)
        self.optimiser = torch.optim.Adam(self.critic.parameters(), lr=rate, betas=(0.0, 0.99))

    def learn(
        self, source: Tensor, target: Tensor, out: Tensor, asked: Tensor, area: Tensor
    ) -> Tensor:
        """One step of the critic on targets and outputs; returns its loss (hinge)."""
        true = self.critic(source, target, asked)[-1]
        false = self.critic(source, out.detach(), asked)[-1]
        loss = _weighted(F.relu(1 - true), area) + _weighted(F.relu(1 + false), area)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        return loss.detach()

    def persuade(
        self, source: Tensor, target: Tensor, out: Tensor, asked: Tensor, area: Tensor
    ) -> Tensor:
        """What the generator pays: the scores of its outputs, and their features' distance to
        the targets', ten times."""
        with torch.no_grad():
            true = self.critic(source, target, asked)
        false = self.critic(source, out, asked)
        near = [_weighted((a - b).abs(), area) for a, b in zip(true[:-1], false[:-1], strict=True)]
        return 10 * torch.stack(near).mean() - _weighted(false[-1], area)

    def state(self) -> dict[str, object]:
        """Critic and optimiser."""
        return {"critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load(self, state: dict[str, dict[str, object]]) -> None:
        """Restore what `state` returned."""
        self.critic.load_state_dict(state["critic"])
        self.optimiser.load_state_dict(state["optimiser"])


class Contested(Averaged[NetT]):
    """State of a trainable whose critic, where it has one, is part of it."""

    contest: Contest | None

    def state(self) -> dict[str, Any]:
        """Network, its running average, the optimiser and the critic."""
        held = super().state()
        return held | {"contest": self.contest.state()} if self.contest else held

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        super().load(state)
        if self.contest:
            self.contest.load(state["contest"])
