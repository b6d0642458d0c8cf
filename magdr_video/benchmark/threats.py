"""The attacks of a benchmark with their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from magdr_video.attacks.problem import Options
from magdr_video.attacks.registry import ATTACKS
from magdr_video.benchmark.plan import Plan
from magdr_video.errors import SettingsError, nearest

LAB_WAY = 0.01
"""How far the chroma-only attack can go in all, (a, b) / 110: 100 steps of 1e-4 (METHOD 7)."""
KNOWS_NOTHING = ("sign", "uniform")
MANY_CONDITIONS = ("iterated", "joint")
"""Attacks that take several conditions of a face."""
CONDITIONS = 3
"""Conditions that the attacks over several of them take, the face's own first."""


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
        draws = {
            "joint": 1.0 * CONDITIONS,
            "blur-eot": 8.0,
            "cw": held("trade_offs"),
            "adaptive": 4.0 + samples,
        }
        return 2.0 * steps * draws.get(self.name, 1.0) * held("restarts")

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
        "cw": {
            "epsilon": plan.epsilon,
            "steps": plan.cw_steps,
            "trade_offs": plan.cw_trade_offs,
        },
        "lab": {
            "epsilon": plan.epsilon,
            "steps": plan.lab_steps,
            "step_size": LAB_WAY / plan.lab_steps,
        },
    }
    return Threat(name, own.get(name, signed) | changes)
