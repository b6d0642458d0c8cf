"""Solves the purifier's last layers at the end of its training, over the whole pool at once.

The last convolution is linear in its weights, so that its best ones for the trunk's features are a
ridge regression; the gate is small enough to be fitted to the facts of some hundred faces at once.
Both cost seconds, and take what gradient steps on small batches leave behind.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from magdr_video.models.purifier import Purifier
from magdr_video.models.trunk import to_model_range
from magdr_video.training.purifier_views import Views

RIDGE = 1e-4
"""Of the mean square of the features."""

FLOOR = 0.01
"""Strength, in [-1, 1], below which faces are not weighed up: they would be fitted for nothing."""

GATE_STEPS = 400


@torch.no_grad()
def solve_output(net: Purifier, batches: Sequence[Views]) -> None:
    """Set the weights of what is taken out beside the guided filter, by ridge regression."""
    inputs = net.leave.in_channels * 9 + 1
    gram = torch.zeros(inputs, inputs, dtype=torch.float64)
    cross = torch.zeros(inputs, 12, dtype=torch.float64)
    for views in batches:
        chosen = views.attacked > 0
        given, wanted = to_model_range(views.given[chosen]), to_model_range(views.wanted[chosen])
        merged, _, filtered = net.features(given)
        weight = F.pixel_shuffle(net.leave(merged)[:, 12:], 2)
        missing = F.pixel_unshuffle(given - wanted - torch.sigmoid(weight) * filtered, 2)
        # By strength, as if all were equally strong: else the strongest attacks decide alone.
        strength = (given - wanted).square().mean(dim=(1, 2, 3)).sqrt() + FLOOR
        columns = F.unfold(merged, 3, padding=1)
        columns = torch.cat([columns, torch.ones_like(columns[:, :1])], dim=1)
        columns, wished = (
            (x.flatten(2) / strength[:, None, None]).transpose(0, 1).flatten(1)
            for x in (columns, missing)
        )
        gram += (columns @ columns.T).double()
        cross += (columns @ wished.T).double()
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(inputs, dtype=torch.float64)
    solved = torch.linalg.solve(gram + ridge, cross).float().T
    assert net.leave.bias is not None
    net.leave.weight[:12] = solved[:, :-1].reshape(12, -1, 3, 3)
    net.leave.bias[:12] = solved[:, -1]


def fit_gate(net: Purifier, batches: Sequence[Views], seed: int = 0) -> float:
    """Fit the gate anew to the facts of all views; returns the share it gets right."""
    with torch.no_grad():
        facts = torch.cat([net.features(to_model_range(views.given))[1] for views in batches])
        flags = torch.cat([views.attacked for views in batches])
        # Facts differ in size: the first layer takes them standardised, and is then rewritten.
        centre, scale = facts.mean(dim=0), facts.std(dim=0) + 1e-4
        standard = (facts - centre) / scale
    torch.manual_seed(seed)
    for layer in net.gate:
        if isinstance(layer, torch.nn.Linear):
            layer.reset_parameters()
    optimiser = torch.optim.AdamW(net.gate.parameters(), lr=1e-2, weight_decay=3e-2)
    for _ in range(GATE_STEPS):
        logit = net.gate(standard).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logit, flags)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    first = net.gate[0]
    assert isinstance(first, torch.nn.Linear)
    with torch.no_grad():
        first.weight.div_(scale)
        first.bias.sub_(first.weight @ centre)
        right: Tensor = ((net.gate(facts).squeeze(1) > 0).float() == flags).float().mean()
    return float(right)
