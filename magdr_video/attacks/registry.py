"""All attacks by name, with one signature: `attack(problem, options)` gives `Perturbed`."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from magdr_video.attacks import adaptive, carlini_wagner, lab, noise, signed, spsa
from magdr_video.attacks.problem import Attack, Options, Perturbed, Problem
from magdr_video.errors import SettingsError, nearest

ATTACKS: Mapping[str, Attack] = {
    "fgsm": signed.fgsm,
    "ifgsm": signed.iterated_fgsm,
    "pgd": signed.pgd,
    "momentum": signed.momentum_pgd,
    "cw": carlini_wagner.carlini_wagner,
    "iterated": signed.iterated_conditions,
    "joint": signed.joint_conditions,
    "feature": signed.feature,
    "blur-eot": signed.blur_eot,
    "lab": lab.chroma_only,
    "adaptive": adaptive.adaptive,
    "spsa": spsa.spsa,
    "uniform": noise.uniform,
    "sign": noise.sign,
}
"""METHOD 7; `uniform` and `sign` are the controls, `spsa` the check for masked gradients."""

CHUNK = 16
"""Faces attacked at once: bounds the memory of the backward pass."""


def attack(
    name: str, problem: Problem, options: Options | None = None, *, chunk: int = CHUNK
) -> Perturbed:
    """Run an attack by name, some faces at a time; the result does not depend on `chunk`.

    Raises:
        SettingsError: no attack has that name, or it needs what the problem does not have.
    """
    if name not in ATTACKS:
        raise SettingsError(f"'{name}' is no attack", hint=nearest(name, ATTACKS))
    options = options or Options()
    faces = range(0, len(problem.images), chunk)
    parts = [ATTACKS[name](problem.piece(slice(at, at + chunk)), options) for at in faces]
    if not parts:
        return Perturbed(problem.images)
    return Perturbed(
        images=torch.cat([part.images for part in parts]),
        unbounded=_joined([part.unbounded for part in parts]),
        found=_joined([part.found for part in parts]),
        along={mark: torch.cat([part.along[mark] for part in parts]) for mark in parts[0].along},
    )


def _joined(parts: list[Tensor | None]) -> Tensor | None:
    held = [part for part in parts if part is not None]
    return torch.cat(held) if held else None
