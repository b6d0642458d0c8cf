"""Begins a training with the weights of an earlier one, whole or as far as they fit."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from magdr_video.errors import WeightsError
from magdr_video.models.checkpoint import read_tensors
from magdr_video.models.record import read_bytes
from magdr_video.models.zoo import find, load


def begin_with(
    net: nn.Module, setting: str, weights: str, report: Callable[[str], None]
) -> set[str]:
    """Take over the tensors that have the name and the shape of the network's own.

    Args:
        setting: of the recipe that names the weights, for people.
        weights: a name, or a file.
        report: is told in one line how many were taken, and which were not.

    Returns:
        Names of the tensors that were taken.

    Raises:
        WeightsError: there are no such weights, they cannot be read, or nothing of them fits.
    """
    path = find(weights).path
    own, held = net.state_dict(), read_tensors(read_bytes(path), path)
    fitting = {k: v.float() for k, v in held.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise WeightsError(
            f"{setting} = '{weights}': none of its {len(held)} tensors fits a network of "
            f"{type(net).__name__}",
            hint="magdr-video models show NAME tells architecture and width of weights",
        )
    net.load_state_dict(own | fitting)
    left = [_told(name, name in own) for name in held if name not in fitting]
    told = f"; not taken: {', '.join(left)}" if left else ""
    report(f"{setting} = '{weights}': {len(fitting)} of {len(held)} tensors taken{told}")
    return set(fitting)


def take_over(net: nn.Module, setting: str, weights: str) -> None:
    """Take over all tensors of a network of the same form.

    Args:
        setting: of the recipe that names the weights, for people.
        weights: a name, or a file.

    Raises:
        WeightsError: there are no such weights, they cannot be read, or they are of another form.
    """
    try:
        net.load_state_dict(load(weights).state_dict())
    except RuntimeError as error:
        raise WeightsError(
            f"{setting} = '{weights}' is no {type(net).__name__} of this recipe's width and depth",
            hint="magdr-video models show NAME tells architecture and width of weights",
        ) from error


def _told(name: str, known: bool) -> str:
    return f"{name} (another shape)" if known else f"{name} (not in this network)"
