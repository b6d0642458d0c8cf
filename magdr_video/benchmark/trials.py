"""Settings of the bank tried on attacked training faces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from magdr_video.benchmark.cells import Cell, source_hash
from magdr_video.benchmark.repairs import (
    TRANSFORM_ROOMS,
    Chain,
    learned_weights,
    singles,
    trial,
)
from magdr_video.benchmark.scene import Scene


def trial_cells(scene: Scene) -> dict[str, Cell]:
    """Every setting of each category on the attacked training faces, by category."""
    return {name: trial_cell(scene, name, chains) for name, chains in singles().items()}


def trial_cell(scene: Scene, what: str, chains: Sequence[Chain]) -> Cell:
    """PSNR(O) of chains on the attacked training faces, under 'psnr'.

    Args:
        what: they are settings of.
    """
    key = {
        "generator": scene.subject.identity["generator"],
        "attacked": scene.trial_under.address,
        "count": scene.plan.trial_faces,
        "tried": [str(chain) for chain in chains],
        "source": source_hash((*TRANSFORM_ROOMS, *scene.subject.rooms)),
        **learned_weights(chains),
    }
    cost = scene.plan.trial_faces * 1.5 * len(chains)
    name = f"{scene.task}: settings of {what} on training faces"
    return Cell(name, key, cost, lambda: {"psnr": trial(scene, chains)})


def found_settings(scene: Scene) -> dict[str, Tensor]:
    """PSNR(O) of each setting on the training faces, by category."""
    return {name: scene.store.get(cell)["psnr"] for name, cell in trial_cells(scene).items()}


def expected_settings(scene: Scene) -> dict[str, Tensor]:
    """The same before it is measured, zeros where it is not yet: enough to count the cells."""
    held, cells = singles(), trial_cells(scene)
    return {
        name: scene.store.get(cell)["psnr"]
        if scene.store.has(cell)
        else torch.zeros(len(held[name]))
        for name, cell in cells.items()
    }
