"""Conditions drawn for a calibration: a table must hold for whatever a user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.faces.regions import REGIONS, known_attributes, target_regions
from magdr_video.models.conditions import (
    EXPRESSIONS,
    HAIR_SUFFIX,
    OPPOSITES,
    condition_for_edit,
    condition_for_expression,
)

MIXED = 0.2
"""Share of edits that ask for a hair colour and another attribute at once."""

DRIVEN = 0.5
"""Share of reenactments that take the expression of another face instead of a named one."""


@dataclass(frozen=True)
class DrawnConditions:
    """What each of F faces is asked for."""

    values: Tensor
    """(F, C)."""
    target: Tensor
    """(F, R) booleans over `regions.REGIONS`: what the task may change then."""


def draw_conditions(
    task: str,
    count: int,
    *,
    names: Sequence[str],
    driven: Tensor,
    generator: torch.Generator,
) -> DrawnConditions:
    """Conditions for `count` faces.

    Args:
        task: 'replace', 'edit' or 'reenact'.
        names: the C names of the generator's condition.
        driven: (M, C) measured expressions that a reenactment may take; unused otherwise.
        generator: of all that is random.
    """
    if task == "edit" and names:
        asks = [_edit(names, place, generator) for place in range(count)]
        rows = [condition_for_edit(ask, attributes=names) for ask in asks]
        wanted = [target_regions(task, known_attributes(ask)) for ask in asks]
    elif task == "reenact" and names:
        rows = [_expression(names, place, driven, generator) for place in range(count)]
        wanted = [target_regions(task)] * count
    else:
        rows, wanted = [()] * count, [target_regions(task)] * count
    target = [[region in held for region in REGIONS] for held in wanted]
    return DrawnConditions(
        torch.tensor(rows, dtype=torch.float32).reshape(count, -1),
        torch.tensor(target).reshape(count, len(REGIONS)),
    )


def single_edits(names: Sequence[str]) -> list[str]:
    """Every attribute that can be asked for alone, `Female` and `Old` included."""
    return [*names, *(word for word, of in OPPOSITES.items() if of in names)]


def _edit(names: Sequence[str], place: int, generator: torch.Generator) -> list[str]:
    """The single attributes in turn; now and then another one is added to a hair colour."""
    words = single_edits(names)
    first = words[place % len(words)]
    others = [word for word in words if not word.endswith(HAIR_SUFFIX)]
    if not first.endswith(HAIR_SUFFIX) or not others or _chance(generator) >= MIXED:
        return [first]
    return [first, others[int(_chance(generator) * len(others))]]


def _expression(
    names: Sequence[str], place: int, driven: Tensor, generator: torch.Generator
) -> tuple[float, ...]:
    if len(driven) and _chance(generator) < DRIVEN:
        return tuple(driven[int(_chance(generator) * len(driven))].tolist())
    words = [word for word in EXPRESSIONS if word != "neutral"]
    strength = 0.5 + 0.5 * _chance(generator)
    return condition_for_expression(words[place % len(words)], strength=strength, units=names)


def _chance(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
