"""What the motion purifier sees: frames of attacked clips with their averages, and faces alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from magdr_video.training.motion_pool import ClipPiece
from magdr_video.training.purifier_pool import Piece
from magdr_video.training.purifier_views import attacked_view
from magdr_video.transforms import gaussian

FILMED = 0.35
"""Share of clip views that went through a codec."""
CLEAN = 0.06
"""Share of clip views without a perturbation: what an average lost is then all that is wrong."""
STRENGTHS = (0.3, 1.5)
"""Times that the perturbation of a lossless view is as strong as the attack made it. The sign
pattern of an attack hardly depends on its bound, and the average is nearly linear in it."""


SOFT = 0.4
"""Share of clip views of a softer face, as a small one in a clip is."""
SOFTNESS = (0.4, 1.6)
"""Range of the blur's sigma, crop px."""
CONTRAST = (0.6, 1.1)


@dataclass(frozen=True)
class MotionViews:
    """A batch: averages, frames, what should come out, and what was asked for."""

    mean: Tensor
    """(F, 3, s, s) in [0, 1]."""
    frame: Tensor
    """(F, 3, s, s) in [0, 1]."""
    wanted: Tensor
    """(F, 3, s, s) in [0, 1]."""
    condition: Tensor
    """(F, C) that the faces were attacked under."""

    def to(self, device: torch.device) -> MotionViews:
        """The same on a device."""
        parts = (self.mean, self.frame, self.wanted, self.condition)
        return MotionViews(*(part.to(device) for part in parts))


def joined(parts: Sequence[MotionViews]) -> MotionViews:
    """Batches of one generator as one."""
    rows = ((one.mean, one.frame, one.wanted, one.condition) for one in parts)
    return MotionViews(*(torch.cat(held) for held in zip(*rows, strict=True)))


def _clip_view(
    piece: ClipPiece, at: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Average, frame and what is wanted, (3, S, S) in [0, 1]."""
    kind = rng.random()
    clean, mean = piece.clean[at].float() / 255, piece.clean_mean[at].float() / 255
    if kind < FILMED:
        mean, frame = (
            part[at].float() / 255 for part in (piece.attacked_filmed_mean, piece.attacked_filmed)
        )
        return _as_small(mean, frame, clean, rng) if rng.random() < SOFT else (mean, frame, clean)
    strength = float(rng.uniform(*STRENGTHS)) if rng.random() < 0.5 else 1.0
    strength = 0.0 if kind > 1 - CLEAN else strength
    added_mean = strength * (piece.attacked_mean[at].float() / 255 - mean)
    added = strength * (piece.attacked[at].float() / 255 - clean)
    if rng.random() < SOFT:
        mean, frame, clean = _as_small(mean, clean, clean, rng)
    frame = ((clean + added).clamp(0, 1) * 255).round() / 255
    return (mean + added_mean).clamp(0, 1), frame, clean


def _as_small(
    mean: Tensor, frame: Tensor, clean: Tensor, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """All three as they are of a face of few pixels and little contrast."""
    sigma, contrast = float(rng.uniform(*SOFTNESS)), float(rng.uniform(*CONTRAST))
    level = float(rng.uniform(0.3, 0.6))
    soft = gaussian(torch.stack([mean, frame, clean]), sigma=sigma)
    one, two, three = ((soft - level) * contrast + level).clamp(0, 1)
    return one, two, three


def clip_views(piece: ClipPiece, count: int, size: int, rng: np.random.Generator) -> MotionViews:
    """`count` frames of one clip, the same window of `size` px of each."""
    frames = rng.integers(len(piece), size=count)
    views = [_clip_view(piece, int(at), rng) for at in frames]
    mean, frame, wanted = (torch.stack(part) for part in zip(*views, strict=True))
    return _cut(mean, frame, wanted, piece.condition[frames], size=size, rng=rng)


def still_views(piece: Piece, count: int, size: int, rng: np.random.Generator) -> MotionViews:
    """`count` attacked faces alone, which are their own averages."""
    faces = rng.integers(len(piece), size=count)
    views = [attacked_view(piece, int(face), rng) for face in faces]
    given, wanted = (torch.stack(part) for part in zip(*views, strict=True))
    return _cut(given, given, wanted, piece.condition[faces], size=size, rng=rng)


def _cut(
    mean: Tensor,
    frame: Tensor,
    wanted: Tensor,
    condition: Tensor,
    *,
    size: int,
    rng: np.random.Generator,
) -> MotionViews:
    top, left = rng.integers(0, mean.shape[-1] - size + 1, 2)
    window = (..., slice(top, top + size), slice(left, left + size))
    return MotionViews(mean[window], frame[window], wanted[window], condition)
