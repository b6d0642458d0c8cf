"""Drawn faces for runs without data: they prove that the program runs and nothing else."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from magdr_video.benchmark.datasets import Item, check_split

COUNT = 24
"""Identities, a face each: half of them to train on, a quarter each to validate and test."""

SIDE = 256
_SPLIT = ("train", "validation", "train", "test")


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


def _oval(x: float, y: float, across: float, down: float) -> tuple[float, float, float, float]:
    return x - across, y - down, x + across, y + down


def draw_face(number: int) -> Image.Image:
    """The face of an identity, RGB of 256 px in FFHQ's proportions; always the same."""
    rng = np.random.default_rng(number)
    ground = _colour(rng.uniform(), rng.uniform(0.1, 0.4), rng.uniform(0.4, 0.9))
    skin = _colour(rng.uniform(0.04, 0.09), rng.uniform(0.3, 0.6), rng.uniform(0.4, 0.95))
    hair = _colour(rng.uniform(0.03, 0.12), rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.7))
    lips = _colour(0.98, rng.uniform(0.4, 0.7), rng.uniform(0.5, 0.8))
    iris = _colour(rng.uniform(), 0.6, 0.35)
    wide, turn = rng.uniform(56, 72), rng.uniform(-6, 6)
    picture = Image.new("RGB", (SIDE, SIDE), ground)
    pen = ImageDraw.Draw(picture)
    pen.ellipse(_oval(128, 116, wide + 22, 104), fill=hair)
    pen.rectangle((104, 190, 152, 256), fill=skin)
    pen.ellipse(_oval(128, 142, wide, 86), fill=skin)
    for side in (-1, 1):
        x = 128 + side * 30 + turn
        pen.ellipse(_oval(x, 124, 13, rng.uniform(6, 9)), fill=(245, 245, 245))
        pen.ellipse(_oval(x, 124, 6, 6), fill=iris)
        pen.line((x - 15, 106, x + 15, 103), fill=hair, width=5)
    pen.polygon(((128 + turn, 126), (118, 158), (138, 158)), fill=_shade(skin, 0.9))
    pen.ellipse(_oval(128 + turn / 2, 184, 24, rng.uniform(6, 10)), fill=lips)
    grain = rng.normal(0, 2, (SIDE, SIDE, 3))
    levels = np.clip(np.asarray(picture, dtype=np.float64) + grain, 0, 255)
    return Image.fromarray(levels.round().astype(np.uint8))


def _shade(colour: tuple[int, int, int], gain: float) -> tuple[int, int, int]:
    red, green, blue = (round(part * gain) for part in colour)
    return red, green, blue


class DrawnFaces:
    """Two dozen drawn faces; needs no files."""

    name = "drawn"
    about = "drawn by the program; a smoke test, no measurement"
    holds = "images"
    smoke = True

    def items(self, split: str) -> tuple[Item, ...]:
        """The split's faces by number.

        Raises:
            UsageError: there is no such split.
        """
        check_split(split)
        numbers = [n for n in range(COUNT) if _SPLIT[n % len(_SPLIT)] == split]
        return tuple(Item(f"drawn/{n:02d}", Path(f"drawn/{n:02d}"), str(n)) for n in numbers)

    def images(self, items: Sequence[Item], size: int) -> Tensor:
        """(F, 3, size, size) float32 in [0, 1]."""
        if not items:
            return torch.zeros(0, 3, size, size)
        drawn = [draw_face(int(item.identity)) for item in items]
        small = [face.resize((size, size), Image.Resampling.BOX) for face in drawn]
        levels = torch.from_numpy(np.stack([np.asarray(face) for face in small]))
        return levels.permute(0, 3, 1, 2).float() / 255
