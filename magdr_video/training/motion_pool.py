"""Attacked clips for the motion purifier's training: faces that move, attacked frame by frame.

As `purifier_pool`, of which it takes attacks and conditions; a piece is one face in successive
frames instead of many faces, with the averages that a run would make of them.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from magdr_video.reconstruction.temporal import View, average_views, view_of, window_around
from magdr_video.training.clean_faces import film
from magdr_video.training.faces_data import Array, OmiFaces
from magdr_video.training.framed_faces import drawn_rate
from magdr_video.training.purifier_pool import CRFS, attacked_alike, draw_conditions, to_bytes
from magdr_video.translation import Translator

KINDS = ("framed", "framed", "shared", "framed", "momentum framed", "framed", "cw framed", "pgd")
"""What the frames of a piece are attacked with, in turn. 'shared' is one perturbation for all of
them, which no average takes away and a repair must still find."""

FRAMES = 10
WINDOWS = (9, 9, 9, 5, 3)
"""Frames that are averaged, drawn for each frame: most tracks are longer than a window."""

DRIFT = (0.25, 0.12, 0.0015)
"""Deviation from frame to frame of shift px, turn degrees and scale; times `PACE`."""
PACE = (0.3, 2.5)
SWAY = 2.0
"""Largest displacement of the bumps that move parts of a face on their own, crop px."""


@dataclass(frozen=True)
class ClipPiece:
    """One face in F frames; (F, 3, S, S) uint8 each, averages of each kind beside."""

    clean: Tensor
    attacked: Tensor
    attacked_filmed: Tensor
    clean_mean: Tensor
    attacked_mean: Tensor
    attacked_filmed_mean: Tensor
    condition: Tensor
    """(F, C) float32."""

    def __len__(self) -> int:
        return len(self.clean)


def moving_face(picture: Array, size: int, frames: int, rng: np.random.Generator) -> Tensor:
    """A face (H, H, 3) uint8 as aligned crops of a clip hold it, (F, 3, size, size) uint8.

    It drifts by what alignment leaves, and bumps of it sway on their own, as lips and lids do.
    """
    pace, scale = float(np.exp(rng.uniform(*np.log(PACE)))), size / picture.shape[0]
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.4 / scale, 0.3))
    if rng.random() < 0.5:
        soft = np.ascontiguousarray(soft[:, ::-1])
    shift, turn, zoom = (pace * deviation for deviation in DRIFT)
    walk = np.cumsum(rng.normal(size=(frames, 4)), axis=0)
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    bumps = [_bump(size, rng) for _ in range(int(rng.integers(1, 5)))]
    base = rng.uniform(0.85, 1.05)
    out = []
    for at, (dx, dy, angle, grow) in enumerate(walk):
        x, y = columns - size / 2, rows - size / 2
        radians = np.deg2rad(turn * angle)
        stretch = base / (1 + zoom * grow) / scale
        moved_x = stretch * (np.cos(radians) * x - np.sin(radians) * y - dx * shift)
        moved_y = stretch * (np.sin(radians) * x + np.cos(radians) * y - dy * shift)
        for shape, (along_x, along_y), rate, phase in bumps:
            amount = shape * np.sin(rate * at + phase) / scale
            moved_x, moved_y = moved_x + amount * along_x, moved_y + amount * along_y
        middle = picture.shape[0] / 2
        across, down = ((moved + middle).astype(np.float32) for moved in (moved_x, moved_y))
        border = cv2.BORDER_REFLECT_101
        out.append(cv2.remap(soft, across, down, cv2.INTER_LINEAR, borderMode=border))
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2).contiguous()


def _bump(size: int, rng: np.random.Generator) -> tuple[Array, Array, float, float]:
    """Where a part of the face moves, which way, how fast and from where."""
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32)
    middle, wide = rng.uniform(0.25, 0.8, 2) * size, rng.uniform(0.05, 0.15, 2) * size
    apart = ((rows - middle[0]) / wide[0]) ** 2 + ((columns - middle[1]) / wide[1]) ** 2
    angle, most = rng.uniform(0, 2 * np.pi), rng.uniform(0, SWAY)
    way = most * np.array([np.cos(angle), np.sin(angle)], np.float32)
    return np.exp(-apart / 2), way, float(rng.uniform(0.1, 1.2)), float(rng.uniform(0, 6.3))


def means(frames: Tensor, windows: Sequence[int]) -> Tensor:
    """Each frame (F, 3, S, S) in [0, 1] averaged over its own window, uint8."""
    views: list[View] = [view_of(frame) for frame in frames]
    out = []
    for at, window in enumerate(windows):
        near = window_around(at, len(frames), window)
        out.append(torch.from_numpy(average_views([views[n] for n in near], near.index(at))))
    return to_bytes(torch.stack(out))


def make_clip(
    translator: Translator, frames: Tensor, rng: np.random.Generator, kind: str
) -> ClipPiece:
    """Attack the frames (F, 3, S, S) uint8 of one face, with one strength and one condition."""
    clean = frames.to(translator.device).float() / 255
    condition = draw_conditions(translator, 1, rng).expand(len(frames), -1)
    if kind == "shared":
        middle = slice(len(frames) // 2, len(frames) // 2 + 1)
        one = attacked_alike(translator, clean[middle], condition[middle], "pgd", rng)
        attacked = ((clean + one - clean[middle]).clamp(0, 1) * 255).round() / 255
    else:
        attacked = attacked_alike(translator, clean, condition, kind, rng)
    filmed = film(attacked, int(rng.choice(CRFS)), rate=drawn_rate(rng), moving=True)
    windows = rng.choice(WINDOWS, len(frames)).tolist()
    return ClipPiece(
        clean=to_bytes(clean),
        attacked=to_bytes(attacked),
        attacked_filmed=to_bytes(filmed),
        clean_mean=means(clean, windows),
        attacked_mean=means(attacked, windows),
        attacked_filmed_mean=means(filmed, windows),
        condition=condition.cpu(),
    )


@dataclass(frozen=True)
class ClipPool:
    """Pieces on disk, made when they are first asked for; see `purifier_pool.Pool`."""

    folder: Path
    translators: Sequence[Translator]
    faces: OmiFaces
    names: Sequence[str]
    size: int = 128
    seed: int = 1234

    def translator(self, number: int) -> Translator:
        """The generator that a piece was made against."""
        return self.translators[number % len(self.translators)]

    def kind(self, number: int) -> str:
        """What a piece is attacked with: each generator has all `KINDS` in turn."""
        return KINDS[number // len(self.translators) % len(KINDS)]

    @functools.cached_property
    def _drawn_by(self) -> str:
        parts = (self.seed, self.size, tuple(self.names), KINDS, FRAMES, WINDOWS, DRIFT, PACE, SWAY)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]

    def path(self, number: int) -> Path:
        """Where a piece lies; its name tells the generator's weights and what else makes it."""
        weights = self.translator(number).record.sha256[:12]
        return self.folder / f"{number:05d}-{weights}-{self._drawn_by}.pt"

    def piece(self, number: int) -> ClipPiece:
        """The piece of a number, made and written where it is not there yet."""
        path = self.path(number)
        if not path.exists():
            self._make(number, path)
        return ClipPiece(**torch.load(path, weights_only=True, map_location="cpu"))

    @torch.enable_grad()
    def _make(self, number: int, path: Path) -> None:
        rng = np.random.default_rng((self.seed, number))
        picture = self.faces.image(str(rng.choice(self.names)), 256)
        frames = moving_face(picture, self.size, FRAMES, rng)
        made = make_clip(self.translator(number), frames, rng, self.kind(number))
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save(vars(made), part)
        part.replace(path)


def fill_clips(pool: ClipPool, pieces: int, report: Callable[[str], None]) -> None:
    """Make the first `pieces` of a pool, those that lie there already excepted."""
    for number in range(pieces):
        if not pool.path(number).exists():
            pool.piece(number)
            report(f"clip {number + 1} of {pieces}")
