"""By how much MagDR's repairs lead what they are to be compared with, face by face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from magdr_video.benchmark.bank_limits import (
    BEST_CLASSICAL,
    BEST_SINGLE,
    CLASSICAL_ORACLE,
    ORACLE,
)
from magdr_video.benchmark.repairs import BEST_CHAIN, DEFAULT, MAGDR, NOTHING, SEARCH
from magdr_video.benchmark.statistics import estimate

OURS = (DEFAULT, SEARCH, MAGDR)
RIVALS = (NOTHING, BEST_CLASSICAL, BEST_SINGLE, BEST_CHAIN, CLASSICAL_ORACLE, ORACLE)
ALL_TASKS = "all tasks"

ByRow = Mapping[str, Tensor]
"""PSNR(O) of each row, (F,) dB; rows of fewer faces have the first ones."""


def margins(held: Mapping[tuple[str, str], ByRow]) -> list[dict[str, Any]]:
    """Mean differences of PSNR(O) with intervals over the faces that both rows have.

    Args:
        held: by task and attack. The faces of all tasks together follow, each task alike.
    """
    found: dict[tuple[str, str, str, str], Tensor] = {}
    for (task, attack), by_row in held.items():
        for ours in OURS:
            for rival in RIVALS:
                if ours in by_row and rival in by_row:
                    found[task, attack, ours, rival] = _apart(by_row[ours], by_row[rival])
    tasks = list(dict.fromkeys(task for task, _ in held))
    if len(tasks) > 1:
        keys = dict.fromkeys(key[1:] for key in list(found))
        found |= {(ALL_TASKS, *key): _together(found, tasks, key) for key in keys}
    return [
        {"task": task, "attack": attack, "row": ours, "over": rival, "psnr": asdict(estimate(one))}
        for (task, attack, ours, rival), one in found.items()
    ]


def _apart(ours: Tensor, rival: Tensor) -> Tensor:
    few = min(len(ours), len(rival))
    return ours[:few] - rival[:few]


def _together(
    found: Mapping[tuple[str, str, str, str], Tensor],
    tasks: Sequence[str],
    key: tuple[str, str, str],
) -> Tensor:
    parts = [found[(task, *key)] for task in tasks if (task, *key) in found]
    few = min(map(len, parts))
    return torch.cat([part[:few] for part in parts])
