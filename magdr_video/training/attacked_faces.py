"""The attack that trainings fit on: PGD at the paper's strength, on pictures or in frames."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from magdr_video.attacks.pgd import pgd, round_within
from magdr_video.attacks.reaching import Reaching
from magdr_video.training.framed_faces import drawn_rate, drawn_way
from magdr_video.translation import Translator

EPSILON = 0.05
CHUNK = 8
"""Faces that are attacked at once, and in frames at one scale: what comes out depends on it."""

AT_ONCE = 48
"""Faces a generator pass on a device with memory of its own."""


def faces_at_once(device: torch.device) -> int:
    """Faces a generator pass: bounds the memory."""
    return CHUNK if device.type == "cpu" else AT_ONCE


def rate_of_frames(seed: int, start: int = 0) -> float:
    """Frame pixels for one of the crop where `attack` shows the faces from `start` on."""
    return drawn_rate(np.random.default_rng((seed, start)))


def attack(
    translator: Translator,
    faces: Tensor,
    condition: Tensor,
    seed: int,
    *,
    in_frame: bool = False,
    together: int = CHUNK,
) -> Tensor:
    """PGD at epsilon 0.05, 10 steps, in 8 bits; a replacement is pulled toward the input.

    Args:
        faces: (F, 3, S, S) in [0, 1].
        condition: (F, C).
        seed: of the random starts, and of the scales.
        in_frame: attack the faces as a frame holds them, each `together` at a scale of its own,
            and cut them out again, as `protection` does.
        together: faces that are attacked at once.

    Returns:
        (F, 3, S, S) on the generator's device.
    """
    out, faces = [], faces.to(translator.device)
    condition = condition.to(faces)
    for start in range(0, len(faces), together):
        piece = faces[start : start + together]
        way = drawn_way(piece, np.random.default_rng((seed, start))) if in_frame else None
        held = pgd(
            translator.translate if way is None else Reaching(translator, way),
            piece,
            condition[start : start + together],
            epsilon=EPSILON,
            target=piece if translator.record.task == "replace" else None,
            seed=seed + start,
        )
        arrived = round_within(held, piece, EPSILON) if way is None else way(held)
        out.append((arrived * 255).round() / 255)
    return torch.cat(out)
