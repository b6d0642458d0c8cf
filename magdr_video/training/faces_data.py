"""The synthetic OMI faces as arrays for training, and the jitter that both images of a pair share.

Source: One Million Impressions (Peterson et al., PNAS 2022), StyleGAN2 faces that depict nobody,
in FFHQ-like alignment. The folder is laid out as `omi/{images,series}/NAME.jpg`, with parser
labels in `omi/{images,series}-teacher/NAME.png`, the landmarks of all in `omi/landmarks.npz` and
the ratings in `omi/attribute_means.csv`.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from PIL import Image

from magdr_video.errors import InputError

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

HAIR = 17
"""The hair class in BiSeNet's order."""


@dataclass(frozen=True)
class OmiFaces:
    """A reader of the folder; nothing is loaded until it is asked for.

    Attributes:
        root: the folder that holds `omi/`.
    """

    root: Path

    def __post_init__(self) -> None:
        if not (self.root / "omi" / "images").is_dir():
            raise InputError(
                f"{self.root} holds no omi/images",
                hint="give --data the folder that holds the OMI faces",
            )

    @property
    def photos(self) -> list[str]:
        """Names of the single faces (`images/N`), by number."""
        found = (self.root / "omi" / "images").glob("*.jpg")
        return [f"images/{path.stem}" for path in sorted(found, key=lambda p: int(p.stem))]

    def series(self, attribute: str) -> list[tuple[str, str, str]]:
        """Levels 0, 1, 2 of an attribute for each identity, e.g. `series/1264_age_0`.

        Level 0 to 2 runs from younger to older for `age`, from female to male for `gender`
        (found on sight).
        """
        found = sorted((self.root / "omi" / "series").glob(f"*_{attribute}_0.jpg"))
        stems = [path.stem[:-1] for path in found]
        return [(f"series/{s}0", f"series/{s}1", f"series/{s}2") for s in stems]

    def image(self, name: str, size: int) -> Array:
        """RGB uint8 (size, size, 3)."""
        with Image.open(self.root / "omi" / f"{name}.jpg") as held:
            rgb = np.asarray(held.convert("RGB"))
        return np.asarray(cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA))

    def labels(self, name: str) -> Array:
        """Parser classes in BiSeNet's order, uint8 (256, 256)."""
        folder, stem = name.split("/")
        with Image.open(self.root / "omi" / f"{folder}-teacher" / f"{stem}.png") as held:
            return np.asarray(held, dtype=np.uint8)

    @cached_property
    def _landmarks(self) -> dict[str, Array]:
        with np.load(self.root / "omi" / "landmarks.npz") as held:
            files = [Path(str(file)).with_suffix("").as_posix() for file in held["files"]]
            points = held["landmarks"].astype(np.float32)
        return {file: points[i] for i, file in enumerate(files)}

    def landmarks(self, name: str) -> Array:
        """Face mesh (478, 3) float32; x, y in [0, 1] of the image, z relative."""
        return self._landmarks[name]

    @cached_property
    def _ratings(self) -> dict[str, dict[str, float]]:
        with (self.root / "omi" / "attribute_means.csv").open() as held:
            rows = list(csv.DictReader(held))
        return {
            row["stimulus"]: {k: float(v) for k, v in row.items() if k != "stimulus"}
            for row in rows
        }

    def rating(self, name: str, attribute: str) -> float:
        """Mean rating in 0..100; high is old for `age`, male for `gender` (found on sight)."""
        return self._ratings[name.split("/")[1]][attribute]


def identity(name: str) -> int:
    """The identity's number: `images/12` is 12, `series/1264_age_0` is 1264."""
    return int(name.split("/")[1].split("_")[0])


def is_held_out(name: str) -> bool:
    """True for the identities that no training sees: those whose number ends in 3 or 4."""
    return identity(name) % 10 in (3, 4)


def soft_mask(labels: Array, classes: tuple[int, ...], size: int, softness: float = 1.5) -> Array:
    """Membership of the classes, float32 (size, size) in [0, 1].

    Args:
        labels: parser classes (H, H).
        softness: standard deviation of the edge, in pixels of `labels`.
    """
    hard = np.isin(labels, classes).astype(np.float32)
    soft = cv2.GaussianBlur(hard, (0, 0), softness)
    return np.asarray(cv2.resize(soft, (size, size), interpolation=cv2.INTER_AREA))


def _jitter_affine(rng: np.random.Generator, source: int, size: int, calm: float) -> Array:
    """Similarity (2, 3) from a `source` px image to a `size` px one, perhaps mirrored.

    Convention: maps input (x, y) to output (x, y), pixel centres at integers.
    """
    angle = np.deg2rad(calm * rng.uniform(-10, 10))
    scale = (1.05 + calm * rng.uniform(-0.15, 0.15)) * size / source
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if rng.random() < 0.5:
        turn[:, 0] *= -1
    shift = calm * rng.uniform(-0.05, 0.05, 2) * size
    offset = (size - 1) / 2 + shift - turn @ np.full(2, (source - 1) / 2)
    return np.concatenate([turn, offset[:, None]], axis=1)


@dataclass(frozen=True)
class View:
    """A random view of an aligned image: similarity, flip, brightness, blur.

    Attributes:
        affine: (2, 3), input pixels to output pixels, (x, y), pixel centres at integers.
        size: side of the output.
        gain: of each channel, (3,). lift: of brightness. sigma: of the blur.
    """

    affine: Array
    size: int
    gain: Array
    lift: float
    sigma: float

    def of(self, image: Array) -> Array:
        """The view of uint8 (H, H, C) or (H, H); one-channel images keep their values."""
        out = cv2.warpAffine(
            image,
            self.affine,
            (self.size, self.size),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        if out.ndim == 3:
            out = cv2.convertScaleAbs(np.maximum(out * self.gain + self.lift, 0))
            out = cv2.GaussianBlur(out, (0, 0), self.sigma) if self.sigma else out
        return np.asarray(out)

    def of_flow(self, flow: Array, side: int) -> Array:
        """The view of a flow (h, h, 2), in half sides of an image of `side` px, h = side / 4.

        Vectors turn and scale with the image; outside of it nothing moves.
        """
        turn, offset = self.affine[:, :2], self.affine[:, 2]
        # A quarter's pixel u has its centre at 4 u + 1.5 of the whole.
        coarse = np.concatenate([turn, ((turn @ [1.5, 1.5] + offset - 1.5) / 4)[:, None]], axis=1)
        height = self.size // 4
        held = cv2.warpAffine(flow.astype(np.float32), coarse, (height, height))
        return np.asarray(held @ (turn.T * side / self.size), dtype=np.float32)


def draw_view(source: int, size: int, rng: np.random.Generator, *, calm: float = 1.0) -> View:
    """A view that takes images of side `source` to side `size`.

    Args:
        calm: share of the full range of turns, shifts and scales.
    """
    affine = _jitter_affine(rng, source, size, calm)
    gain, lift = np.full(3, rng.uniform(0.85, 1.15)), rng.uniform(-12, 12)
    if rng.random() < 0.4:
        # The light of a studio: hair must not pass for blond because the lamp is yellow.
        gain = gain * rng.uniform(0.8, 1.2, 3)
    sigma = rng.uniform(0.4, 0.9) if rng.random() < 0.3 else 0.0
    return View(affine, size, gain, lift, sigma)


def jitter(images: list[Array], size: int, rng: np.random.Generator) -> list[Array]:
    """The same random view of aligned images.

    Args:
        images: uint8 (H, H, C) or (H, H), all of one size.
        size: side of the result.

    Returns:
        Arrays (size, size, ...), uint8. Brightness and blur touch three-channel images only.
    """
    view = draw_view(images[0].shape[0], size, rng)
    return [view.of(image) for image in images]


def recompress(image: Array, rng: np.random.Generator) -> Array:
    """A JPEG round trip of RGB uint8 at a random quality of 60 to 95."""
    quality = int(rng.integers(60, 96))
    _, packed = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR))
    return np.ascontiguousarray(decoded[..., ::-1])


def dull(images: list[Array], rng: np.random.Generator) -> list[Array]:
    """The same faces as a plain camera shows them from afar: few pixels, little contrast, grain.

    Args:
        images: RGB uint8 (S, S, 3), all of one size; each gets the same.
    """
    size = images[0].shape[0]
    side = int(rng.uniform(0.3, 0.8) * size)
    contrast = rng.uniform(0.5, 1.0)
    lift = rng.uniform(0, 1 - contrast) * 255
    grain = rng.standard_normal((side, side, 1)) * rng.uniform(0, 4)
    out = []
    for image in images:
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        faded = (small * contrast + lift + grain).clip(0, 255).round().astype(np.uint8)
        out.append(np.asarray(cv2.resize(faded, (size, size), interpolation=cv2.INTER_CUBIC)))
    return out
