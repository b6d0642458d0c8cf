"""What the bank alone could do: the transform that did best on training faces, and oracles.

An oracle knows the clean face and takes, for each face, the chain with the best PSNR(O) of a set
of chains: every category at the setting that Rec-Net's table has for it, and the ordered pairs of
those that did best on training faces. That of the classical bank has no learned purifier in any
chain; that of the whole bank has its chains, and those with the purifier beside them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.cells import Cell, source_hash
from magdr_video.benchmark.outcome import measure
from magdr_video.benchmark.repairs import (
    FIXED_ROOMS,
    PURIFIER,
    Chain,
    Repair,
    best_settings,
    chain_repair,
    learned_weights,
)
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.trials import trial_cell

PAIRED = 5
"""Classical settings, best first, whose ordered pairs are tried."""
BEST_SINGLE = "best single transform"
BEST_CLASSICAL = "best classical transform"
CLASSICAL_ORACLE = "oracle of the classical bank"
ORACLE = "oracle of the bank"


def bank_settings(scene: Scene, found: Mapping[str, Tensor]) -> list[Chain]:
    """Each category at the setting of Rec-Net's table, or without one at that found best here.

    Args:
        found: PSNR(O) of each setting on the training faces, by category.
    """
    tabled: list[Chain] = [(choice,) for layer in scene.subject.recnet.layers for choice in layer]
    return tabled or list(best_settings(found).values())


def ranking_cell(scene: Scene, found: Mapping[str, Tensor]) -> Cell:
    """PSNR(O) of `bank_settings` on the training faces of the trials."""
    return trial_cell(scene, "the bank", bank_settings(scene, found))


def ranked(scene: Scene, found: Mapping[str, Tensor]) -> list[Chain]:
    """`bank_settings`, best on training faces first."""
    values = scene.store.get(ranking_cell(scene, found))["psnr"]
    held = bank_settings(scene, found)
    return [held[place] for place in values.argsort(descending=True, stable=True).tolist()]


def is_classical(chain: Chain) -> bool:
    """True where nothing in a chain was learned."""
    return not any(choice.category == PURIFIER for choice in chain)


def chosen_repairs(best_first: Sequence[Chain]) -> list[Repair]:
    """The best transform on training faces, and the best without the purifier, where there are."""
    classical = [chain for chain in best_first if is_classical(chain)]
    return [
        chain_repair(name, "chosen", held[0])
        for name, held in ((BEST_SINGLE, best_first), (BEST_CLASSICAL, classical))
        if held
    ]


def classical_chains(best_first: Sequence[Chain]) -> list[Chain]:
    """Nothing, every classical setting, and the ordered pairs of the best `PAIRED`."""
    held = [chain for chain in best_first if is_classical(chain)]
    few = held[:PAIRED]
    return [(), *held, *(a + b for a in few for b in few if a != b)]


def learned_chains(best_first: Sequence[Chain], fitted: Sequence[Chain]) -> list[Chain]:
    """The purifier alone, before and after the best `PAIRED` classical settings, and in a table.

    Args:
        fitted: chains of Rec-Net's table.
    """
    few = [chain for chain in best_first if is_classical(chain)][:PAIRED]
    alone = [chain for chain in best_first if not is_classical(chain)]
    pairs = [pair for p in alone for c in few for pair in (p + c, c + p)]
    return list(dict.fromkeys([*alone, *pairs, *(c for c in fitted if not is_classical(c))]))


def limit_cells(scene: Scene, attack: str, best_first: Sequence[Chain]) -> tuple[Cell, Cell]:
    """Columns of every chain on the attacked faces: the classical ones, and those beside them."""
    table = scene.subject.recnet.single
    learned = learned_chains(best_first, (table.default, *table.candidates))
    return (
        _limit_cell(scene, attack, "classical chains", classical_chains(best_first)),
        _limit_cell(scene, attack, "chains with the purifier", learned),
    )


def _limit_cell(scene: Scene, attack: str, name: str, chains: Sequence[Chain]) -> Cell:
    rooms = (*FIXED_ROOMS, *scene.subject.rooms, "benchmark/bank_limits")
    key = {
        "generator": scene.subject.identity["generator"],
        "attack": scene.under(scene.threat(attack)).address,
        "chains": [" > ".join(map(str, chain)) for chain in chains],
        "source": source_hash(rooms),
        **learned_weights(chains),
    }

    def make() -> dict[str, Tensor]:
        seen = scene.attacked(attack)
        parts = [
            measure(scene, seen, chain_repair("", "chain", chain), slowly=False) for chain in chains
        ]
        names = [name for name in parts[0] if not name.startswith("picture")] if parts else []
        return {name: torch.stack([part[name] for part in parts]) for name in names}

    cost = len(chains) * scene.plan.faces * 1.5
    return Cell(f"{scene.task}, {attack}: {len(chains)} {name}", key, cost, make)


def oracles(
    classical: Mapping[str, Tensor], learned: Mapping[str, Tensor]
) -> list[tuple[dict[str, Any], dict[str, Tensor]]]:
    """Rows of both oracles: what they are, and their columns, (F,) each.

    Args:
        classical: columns of the classical chains, (chains, F) each.
        learned: the same of those with the purifier; empty where there are none.
    """
    names = set(classical) & set(learned) if learned else set(classical)
    both = {
        name: torch.cat([held[name] for held in (classical, learned) if held]) for name in names
    }
    out = []
    for row, columns in ((CLASSICAL_ORACLE, classical), (ORACLE, both)):
        about = {"row": row, "kind": "oracle", "about": {"chains": len(columns["o|psnr"])}}
        out.append((about, best_of_each(columns)))
    return out


def best_of_each(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """For each face the columns of the chain with the best PSNR(O)."""
    best = columns["o|psnr"].argmax(dim=0, keepdim=True)
    return {name: held.gather(0, best)[0] for name, held in columns.items()}
