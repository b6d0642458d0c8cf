"""The attacks of a benchmark with their parameters, and crops attacked once for all tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.defence import Defence
from magdr_video.attacks.pgd import round_within
from magdr_video.attacks.problem import Options, Problem
from magdr_video.attacks.registry import ATTACKS
from magdr_video.attacks.registry import attack as run_attack
from magdr_video.benchmark.cells import Cell, source_hash
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.subject import FaceSet, Subject
from magdr_video.errors import SettingsError, nearest

ROOMS = ("attacks", "benchmark/threats")
"""Whose source, beside the generator's, decides what an attacked crop is."""

KNOWS_NOTHING = ("sign", "uniform")
MANY_CONDITIONS = ("iterated", "joint")
CONDITIONS = 3
"""Conditions that the attacks over several of them take, the face's own first."""
SLOW = 100.0
"""Passes a face above which an attack is given fewer faces."""


@dataclass(frozen=True)
class Threat:
    """One attack with its parameters; those not named are the method's own (METHOD 7)."""

    name: str
    settings: Mapping[str, Any]

    @property
    def knowledge(self) -> str:
        """What the attacker knows: 'none', 'outputs of G', 'G' or 'G and the defence'."""
        if self.name in KNOWS_NOTHING:
            return "none"
        return {"adaptive": "G and the defence", "spsa": "outputs of G"}.get(self.name, "G")

    @property
    def passes(self) -> float:
        """Cost a face in generator passes; a gradient counts two."""

        def held(name: str) -> float:
            return float(self.settings.get(name, 1))

        steps, samples = held("steps"), held("samples")
        if self.name in KNOWS_NOTHING:
            return 0.1
        if self.name == "spsa":
            return steps * samples
        draws = {"joint": 1.0 * CONDITIONS, "blur-eot": 9.0, "cw": 5.0, "adaptive": 12 * samples}
        return 2.0 * steps * draws.get(self.name, 1.0) * held("restarts")

    @property
    def slow(self) -> bool:
        """True for attacks that get fewer faces."""
        return self.passes > SLOW

    def options(self, seed: int) -> Options:
        """As the attacks take them."""
        return Options(seed=seed, **self.settings)


def threat(name: str, plan: Plan, **changes: Any) -> Threat:
    """The attack of that name with the plan's epsilon and steps, or changed ones.

    Raises:
        SettingsError: there is no such attack.
    """
    if name not in ATTACKS:
        raise SettingsError(f"'{name}' is no attack", hint=nearest(name, ATTACKS))
    signed = {"epsilon": plan.epsilon, "steps": plan.steps, "step_size": plan.step_size}
    own: dict[str, dict[str, Any]] = {
        "fgsm": {"epsilon": plan.epsilon},
        "sign": {"epsilon": plan.epsilon},
        "uniform": {"epsilon": plan.epsilon},
        "cw": {"epsilon": plan.epsilon, "steps": plan.cw_steps},
        "lab": {"epsilon": plan.epsilon, "steps": plan.lab_steps},
    }
    return Threat(name, own.get(name, signed) | changes)


def _conditions(subject: Subject, faces: int, several: bool) -> Tensor:
    """(F, C), or (L, F, C): the face's own condition, then the ones after it in the cycle."""
    own = subject.conditions(faces)
    kinds = min(CONDITIONS, len(subject.condition_rows))
    if not several or kinds == 1:
        return own
    cycle = subject.conditions(faces + kinds - 1)
    return torch.stack([cycle[shift : shift + faces] for shift in range(kinds)])


def attack(
    subject: Subject,
    crops: Tensor,
    chosen: Threat,
    seed: int,
    defence: Callable[[], Defence] | None = None,
    *,
    condition: Tensor | None = None,
) -> Tensor:
    """Attacked crops in 8 bits, within the bound.

    Args:
        condition: (F, C) or (L, F, C); without it the conditions in turn.
    """
    if condition is None:
        condition = _conditions(subject, len(crops), chosen.name in MANY_CONDITIONS)
    problem = Problem(
        generate=subject.translator,
        images=crops,
        condition=condition,
        target=subject.target(crops),
        defence=None if defence is None else defence(),
    )
    made = run_attack(chosen.name, problem, chosen.options(seed))
    return round_within(made.images, crops, chosen.settings["epsilon"])


def attack_cell(
    subject: Subject,
    faces: FaceSet,
    chosen: Threat,
    seed: int,
    *,
    defence: Callable[[], Defence] | None = None,
    defended: Mapping[str, Any] | None = None,
) -> Cell:
    """The attacked crops of a face set: 'crops' as uint8, shared by all tables.

    Args:
        defence: what an adaptive attacker knows; made only when it is needed.
        defended: what that defence depends on, for the key.
    """
    key = {
        "generator": subject.identity["generator"],
        "faces": faces.digest,
        "attack": chosen.name,
        "settings": dict(chosen.settings),
        "seed": seed,
        "defended": dict(defended or {}),
        "source": source_hash((*ROOMS, *subject.rooms)),
    }

    def make() -> dict[str, Tensor]:
        levels = attack(subject, faces.crops, chosen, seed, defence) * 255
        return {"crops": levels.round().to(torch.uint8)}

    shown = ", ".join(f"{name} {value:g}" for name, value in chosen.settings.items())
    name = f"{subject.task}: {chosen.name} ({shown}) on {len(faces)} faces"
    return Cell(name, key, chosen.passes * len(faces), make)


def as_images(content: Mapping[str, Tensor]) -> Tensor:
    """Crops of an attack's cell as float32 in [0, 1]."""
    return content["crops"].float() / 255
