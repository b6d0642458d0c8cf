"""Begins a training with the weights of an earlier one, whole or as far as they fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from magdr_video.errors import WeightsError
from magdr_video.models.checkpoint import read_tensors
from magdr_video.models.record import ModelRecord
from magdr_video.models.zoo import checked_bytes, find, load_as


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
        WeightsError: there are no such weights, they cannot be read, they are not as recorded, or
            nothing of them fits.
    """
    record = find(weights)
    own, held = net.state_dict(), read_tensors(checked_bytes(record), record.path)
    fitting = {k: v.float() for k, v in held.items() if k in own and own[k].shape == v.shape}
    if not fitting:
        raise WeightsError(
            f"{setting} = '{weights}': none of its {len(held)} tensors fits a network of "
            f"{type(net).__name__}",
            hint="give weights of this network and this width, or begin without",
        )
    net.load_state_dict(own | fitting)
    left = [_told(name, name in own) for name in held if name not in fitting]
    told = f"; not taken: {', '.join(left)}" if left else ""
    report(f"{setting} = '{weights}': {len(fitting)} of {len(held)} tensors taken{told}")
    return set(fitting)


def take_over(net: nn.Module, setting: str, weights: str, direction: str = "") -> None:
    """Take over all tensors of a network of the same form.

    Args:
        setting: of the recipe that names the weights, for people.
        weights: a name, or a file.
        direction: "AB" or "BA", where the weights must translate that way.

    Raises:
        WeightsError: there are no such weights, they cannot be read, they are not as recorded, or
            they are of another network, form or direction.
    """
    asked = f"{setting} = '{weights}'"
    record = find(weights)
    given = load_as(type(net), record, asked).state_dict()
    if direction:
        require_direction(record, direction, asked)
    wrong = _first_difference(given, net.state_dict())
    if wrong:
        raise WeightsError(
            f"{asked} is of another form: {wrong}",
            hint="give the recipe the width and depth of these weights, or begin without",
        )
    net.load_state_dict(given)


def require_direction(record: ModelRecord, direction: str, asked: str) -> None:
    """Refuse weights that translate the other way.

    Raises:
        WeightsError: the record is of another direction than "AB" or "BA", whichever is wanted.
    """
    if record.direction != direction:
        raise WeightsError(
            f"{asked} is of direction {record.direction}, not {direction}",
            hint="AB puts the persona on a face, BA leads back from it",
        )


def _first_difference(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The first tensor that has not the same shape on both sides, told; "" where all have."""
    for name in (*own, *given):
        shapes = [str(tuple(side[name].shape)) if name in side else "none" for side in (given, own)]
        if shapes[0] != shapes[1]:
            return f"{name} is {shapes[0]}, the recipe's is {shapes[1]}"
    return ""


def _told(name: str, known: bool) -> str:
    return f"{name} (another shape)" if known else f"{name} (not in this network)"
