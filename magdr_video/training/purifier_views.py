"""What the purifier sees of a piece of the pool: attacked and clean faces, as files and films are.

The wanted result of an attacked copy is the clean one after the same codec: the purifier takes the
perturbation out and leaves the codec's traces, since clean compressed faces must pass unchanged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from magdr_video.training.framed_faces import drawn_rate, framed
from magdr_video.training.purifier_pool import Piece
from magdr_video.transforms import gaussian, jpeg, unsharp

ATTACKED_SHARE = 0.6
"""Of a batch; the rest is clean and must come out as it went in."""


@dataclass(frozen=True)
class Views:
    """A batch: what comes in, what should come out, and which of it was attacked."""

    given: Tensor
    """(F, 3, s, s) in [0, 1]."""
    wanted: Tensor
    """(F, 3, s, s) in [0, 1]."""
    attacked: Tensor
    """(F,) float: 1 where a perturbation is to be removed."""
    condition: Tensor
    """(F, C) that the face was attacked under."""

    def to(self, device: torch.device) -> Views:
        """The same on a device."""
        return Views(*(part.to(device) for part in self._parts()))

    def arrays(self) -> tuple[NDArray[np.float32], ...]:
        """As another process sends them."""
        return tuple(part.numpy() for part in self._parts())

    @staticmethod
    def of(arrays: tuple[NDArray[np.float32], ...]) -> Views:
        """What was sent."""
        return Views(*(torch.from_numpy(part) for part in arrays))

    def _parts(self) -> tuple[Tensor, ...]:
        return self.given, self.wanted, self.attacked, self.condition


def _in_frame(images: Tensor, rng: np.random.Generator) -> Tensor:
    """(F, 3, S, S) images laid in a frame at one rate, where a clip would hold them."""
    top, left = (int(value) for value in rng.integers(0, 2, 2))
    return framed(images, drawn_rate(rng), (top, left))


def _levels(images: Tensor) -> Tensor:
    return (images.clamp(0, 1) * 255).round() / 255


def attacked_view(piece: Piece, face: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A view of an attacked face and what it should be, (3, S, S) each, in [0, 1]."""
    clean, attacked = piece.clean[face].float() / 255, piece.attacked[face].float() / 255
    kind = rng.random()
    if kind < 0.25:
        return piece.attacked_filmed[face].float() / 255, piece.clean_filmed[face].float() / 255
    if kind < 0.75:
        # The sign pattern of an attack hardly depends on its bound, so that one serves for many.
        attacked = _levels(clean + (attacked - clean) * rng.uniform(0.5, 1.6))
    if kind < 0.45:
        quality = int(rng.integers(60, 96))
        attacked, clean = jpeg(torch.stack([attacked, clean]), quality=quality)
    if 0.4 <= kind < 0.75:
        attacked, clean = _in_frame(torch.stack([attacked, clean]), rng)
    return attacked, clean


def _clean(piece: Piece, face: int, rng: np.random.Generator) -> Tensor:
    image = (piece.clean_filmed if rng.random() < 0.25 else piece.clean)[face][None].float() / 255
    if rng.random() < 0.3:
        image = unsharp(image, amount=float(rng.uniform(0.2, 1.2)))
    if rng.random() < 0.4:
        # Of a camera: each pixel its own, or of the grain's size; in colour or in grey.
        grain = torch.from_numpy(rng.standard_normal(image.shape).astype(np.float32))
        grain = grain[:, :1].expand_as(grain) if rng.random() < 0.3 else grain
        grain = gaussian(grain, sigma=0.7) * 2 if rng.random() < 0.3 else grain
        image = image + grain * float(rng.uniform(0.003, 0.03))
    image = _levels(image)
    if rng.random() < 0.4:
        image = _in_frame(image, rng)
    if rng.random() < 0.3:
        image = jpeg(image, quality=int(rng.integers(50, 96)))
    return image[0]


def draw_views(piece: Piece, count: int, size: int, rng: np.random.Generator) -> Views:
    """A batch of one piece: `count` windows of `size` px, the attacked ones first."""
    attacked = round(count * ATTACKED_SHARE)
    faces = rng.integers(0, len(piece), count)
    given, wanted = [], []
    for index, face in enumerate(faces):
        if index < attacked:
            one, other = attacked_view(piece, int(face), rng)
        else:
            one = other = _clean(piece, int(face), rng)
        top, left = rng.integers(0, one.shape[-1] - size + 1, 2)
        window = (..., slice(top, top + size), slice(left, left + size))
        given.append(one[window])
        wanted.append(other[window])
    flags = (torch.arange(count) < attacked).float()
    return Views(torch.stack(given), torch.stack(wanted), flags, piece.condition[faces])
