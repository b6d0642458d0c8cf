"""Checks that an attack is as strong as it should be (METHOD 9.3); a failed one is a warning.

Where a gradient is masked, an attack looks weak and a defence strong. Each check compares two
attacks whose order is known; the faces are few, so a check can also fail because the generator
hardly reacts: the figures stand beside the verdict.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.success import DISRUPTED, disruption, reached_target
from magdr_video.benchmark.attacked import Attacked
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.threats import Threat, threat

WARNING = "gradient masking suspected"
EPSILONS = (0.01, 0.05, 0.1, 0.2)
PROBES = 8
"""Loss evaluations a step of the gradient-free attack, so few that it must lose."""
TOLERANCE = 1.02
"""Factor within which two attacks count as level."""


@dataclass(frozen=True)
class Strengths:
    """What each attack reached on the same faces."""

    gain: Mapping[str, float]
    """Mean rise of the attack's own loss over the clean faces, [-1, 1] units."""
    success: Mapping[str, float]
    """Share of faces on which it succeeded."""


def threats(scene: Scene) -> dict[str, Threat]:
    """The attacks compared, by what the checks call them."""
    plan, steps = scene.plan, scene.plan.steps
    out = {f"epsilon {e:g}": threat("pgd", plan, epsilon=e, step_size=e / 5) for e in EPSILONS}
    return out | {
        "single step": threat("fgsm", plan),
        "iterative": threat("ifgsm", plan),
        "white box": threat("pgd", plan),
        "twice the steps": threat("pgd", plan, steps=2 * steps),
        "gradient free": threat("spsa", plan, samples=PROBES),
        "random": threat("sign", plan),
    }


def count(scene: Scene) -> int:
    """Faces that the checks attack."""
    return scene.plan.count("check_faces")


def attacked_faces(scene: Scene) -> dict[str, Attacked]:
    """All attacked faces that the checks need."""
    return {name: scene.under(one, count(scene)) for name, one in threats(scene).items()}


def _strength(scene: Scene, images: Tensor) -> tuple[float, float]:
    subject, size = scene.subject, len(images)
    clean = scene.clean.first(size)
    output = subject.generate(images, clean.condition)
    target = subject.target(clean.crops)
    if target is None:
        error = disruption(clean.crops, clean.draft, output).error
        return float(error.mean()), float((error > DISRUPTED).float().mean())
    apart = disruption(clean.crops, target, clean.draft).error
    left = disruption(clean.crops, target, output).error
    reached = reached_target(clean.draft, output, target)
    return float((apart - left).mean()), float(reached.float().mean())


def strengths(scene: Scene, others: Sequence[Scene] = ()) -> Strengths:
    """Measure all attacks, and the perturbation made against another generator ('transfer')."""
    gain, success = {}, {}
    images = {name: held.images(scene.store) for name, held in attacked_faces(scene).items()}
    for other in others:
        if other.subject.size == scene.subject.size:
            images["transfer"] = attacked_faces(other)["white box"].images(other.store)
            break
    with torch.no_grad():
        for name, held in images.items():
            gain[name], success[name] = _strength(scene, held)
    return Strengths(gain, success)


def checks(task: str, held: Strengths) -> list[dict[str, Any]]:
    """Each check with what was found."""
    gain, success = held.gain, held.success
    shares = [success[f"epsilon {e:g}"] for e in EPSILONS]
    grows = all(a <= b + 1e-9 for a, b in itertools.pairwise(shares))
    out = [
        _order(task, "iterative beats single step", gain, "iterative", "single step"),
        _check(
            task,
            "success grows with epsilon to 100 %",
            ", ".join(f"{e:g}: {s:.0%}" for e, s in zip(EPSILONS, shares, strict=True)),
            grows and shares[-1] >= 1.0,
        ),
        _order(task, "gradient attack beats gradient-free", gain, "white box", "gradient free"),
        _order(task, "white box beats random", gain, "white box", "random"),
        _check(
            task,
            "twice the steps bring little (at most 1.5 times)",
            f"{gain['white box']:.4f} and {gain['twice the steps']:.4f}",
            gain["twice the steps"] <= 1.5 * max(gain["white box"], 0.0),
        ),
    ]
    if "transfer" in gain:
        out.append(_order(task, "white box beats transfer", gain, "white box", "transfer"))
        out.append(_order(task, "transfer beats random", gain, "transfer", "random"))
    return out


def _order(
    task: str, name: str, gain: Mapping[str, float], stronger: str, weaker: str
) -> dict[str, Any]:
    found = f"{stronger} {gain[stronger]:.4f}, {weaker} {gain[weaker]:.4f}"
    return _check(task, name, found, gain[stronger] * TOLERANCE >= gain[weaker])


def _check(task: str, name: str, found: str, passed: bool) -> dict[str, Any]:
    return {"task": task, "check": name, "found": found, "passed": passed, "else": WARNING}


def run_checks(scenes: Sequence[Scene]) -> list[dict[str, Any]]:
    """All checks on all tasks, out of finished cells."""
    out = []
    for scene in scenes:
        others = [other for other in scenes if other is not scene]
        out += checks(scene.task, strengths(scene, others))
    return out
