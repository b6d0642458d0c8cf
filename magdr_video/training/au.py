"""Trains `au-estimator` on the units measured from landmarks, of photos and of their warps.

The views are those of the `reenact` generator (`expression_pairs`), seen through stronger
jitter: blur, noise, JPEG, light and colour as in video frames.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from magdr_video.models.au_estimator import AUEstimator
from magdr_video.models.ganimation import ACTION_UNITS
from magdr_video.training.ahead import Ahead
from magdr_video.training.expression_pairs import ExpressionViews, load_views
from magdr_video.training.faces_data import Array, OmiFaces, jitter, recompress
from magdr_video.training.loop import Averaged, memory_format, mixed_precision
from magdr_video.training.paired import (
    average_into,
    export_weights,
    from_images,
    scheduled_rate,
)
from magdr_video.training.running import Place, run_alone, run_steps, run_training, set_up, tell

PRESET = "presets/training/au.toml"
NAME = "au-estimator"


@dataclass(frozen=True)
class AuRecipe:
    """Settings of the training; defaults are those of the shipped weights."""

    size: int = 128
    width: int = 24
    batch: int = 64
    steps: int = 3500
    rate: float = 2e-3
    last_rate: float = 2e-5
    decay: float = 1e-2
    average_decay: float = 0.998
    seed: int = 4321
    threads: int = 1


def _weather(view: Array, rng: np.random.Generator) -> Array:
    """What cameras and codecs do to a view (S, S, 3) uint8: blur, colour, noise, JPEG."""
    if rng.random() < 0.3:
        side = int(view.shape[0] * rng.uniform(0.35, 0.8))
        small = cv2.resize(view, (side, side), interpolation=cv2.INTER_AREA)
        view = cv2.resize(small, view.shape[:2], interpolation=cv2.INTER_CUBIC)
    tint = rng.uniform(0.85, 1.15, 3) * rng.uniform(0.75, 1.2)
    noise = rng.normal(0, rng.uniform(0, 5), view.shape)
    view = np.clip(view * tint + noise, 0, 255).astype(np.uint8)
    return recompress(view, rng) if rng.random() < 0.3 else view


def draw_batch(
    held: ExpressionViews, count: int, size: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Views (F, size, size, 3) uint8, each under its own jitter, and their units (F, 17)."""
    faces = rng.integers(0, len(held.views), count)
    which = np.where(rng.random(count) < 0.3, 0, rng.integers(0, held.views.shape[1], count))
    # One view in fifteen has its eyes shut: too few to learn AU45 from, so draw more of them.
    shut = np.argwhere(held.units[..., ACTION_UNITS.index("AU45")] > 0.3)
    if len(shut):
        more = rng.random(count) < 0.2
        chosen = shut[rng.integers(0, len(shut), count)]
        faces, which = np.where(more, chosen[:, 0], faces), np.where(more, chosen[:, 1], which)
    views = [
        _weather(jitter([held.views[f, v]], size, rng)[0], rng)
        for f, v in zip(faces, which, strict=True)
    ]
    return np.stack(views), held.units[faces, which]


class AuTraining(Averaged[AUEstimator]):
    """The estimator under its labels (a `Trainable` of the loop)."""

    def __init__(
        self,
        recipe: AuRecipe,
        views: ExpressionViews,
        device: torch.device | str = "cpu",
        workers: int = 0,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self._device = recipe, torch.device(device)

        def draw(index: int) -> tuple[Array, Array]:
            rng = np.random.default_rng((recipe.seed, index))
            return draw_batch(views, recipe.batch, recipe.size, rng)

        self._batches = Ahead(draw, workers)
        # Units that vary little would be drowned by those that vary much, such as AU25.
        spread = views.units.reshape(-1, views.units.shape[-1]).var(axis=0)
        self.weight = torch.from_numpy(0.05 / (spread + 0.01)).to(device)
        self.net, self.average = (AUEstimator(width=recipe.width) for _ in range(2))
        self.average.load_state_dict(self.net.state_dict())
        self.average.eval()
        self.net.to(device).to(memory_format=memory_format())
        self.average.to(device)
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.rate, weight_decay=recipe.decay
        )

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; the same index always draws the same views."""
        recipe = self.recipe
        views, units = self._batches.take(index)
        asked = torch.from_numpy(units).to(self._device)
        with mixed_precision(self._device):
            read = self.net.logits(from_images(views).to(self._device)).float()
        # Beyond 0 and 1 the reading is clipped, so there is nothing to correct there.
        missing = read - asked
        idle = ((asked <= 0) & (read < 0)) | ((asked >= 1) & (read > 1))
        loss = (self.weight * missing.masked_fill(idle, 0) ** 2).mean()
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        for held, new in zip(self.average.buffers(), self.net.buffers(), strict=True):
            held.copy_(new)
        return {"mse": loss.detach()}

    def close(self) -> None:
        """Let go of the processes that draw."""
        self._batches.close()

    def sheet(self) -> None:
        """Numbers have no sheet."""


@torch.no_grad()
def read_units(net: AUEstimator, images: Array, batch: int = 32) -> Array:
    """Units (N, 17) of images (N, H, H, 3) uint8, resized to 128 px."""
    net.eval()
    device = next(net.parameters()).device
    parts: list[Tensor] = []
    for start in range(0, len(images), batch):
        crops = from_images(images[start : start + batch]).to(device)
        small = torch.nn.functional.interpolate(crops, size=(128, 128), mode="area")
        parts.append(net(small).cpu())
    out: Array = torch.cat(parts).numpy()
    return out


def evaluate(net: AUEstimator, held_out: ExpressionViews) -> dict[str, tuple[float, float]]:
    """Correlation and mean absolute error of each unit on held-out faces and their warps."""
    views = held_out.views.reshape(-1, *held_out.views.shape[2:])
    read, asked = read_units(net, views), held_out.units.reshape(len(views), -1)
    return {
        unit: (
            float(np.corrcoef(read[:, i], asked[:, i])[0, 1]),
            float(np.abs(read[:, i] - asked[:, i]).mean()),
        )
        for i, unit in enumerate(ACTION_UNITS)
    }


def export(net: AUEstimator, recipe: AuRecipe, target: Path) -> None:
    """Write the shipped file: float16 safetensors with its metadata."""
    facts = {
        "name": NAME,
        "architecture": "au-estimator",
        "layout": "au-estimator",
        "width": str(recipe.width),
        "condition": json.dumps(ACTION_UNITS),
        "size": str(recipe.size),
        "task": "driving",
        "recipe": "magdr-video train au",
    }
    export_weights(net, facts, target)


def train(recipe: AuRecipe, place: Place) -> None:
    """Train, or go on from the checkpoint in `place.out`, and write `au-estimator.safetensors`.

    Raises:
        InputError: `place.data` holds no OMI faces.
    """
    set_up(place.device, recipe.threads)
    faces = OmiFaces(place.data)
    # The seed of the views is the generator's, so that both may share one cache.
    views, held_out = (
        load_views(faces, place.out, held_out=part, seed=1234, workers=place.workers)
        for part in (False, True)
    )
    training = AuTraining(recipe, views, place.device, place.workers)
    run_steps(training, steps=recipe.steps, batch=recipe.batch, folder=place.out)
    for unit, (correlation, error) in evaluate(training.average, held_out).items():
        tell(f"{unit}  correlation {correlation:.3f}  mean absolute error {error:.3f}")
    export(training.average, recipe, place.out / f"{NAME}.safetensors")


def main() -> None:
    """`python -m magdr_video.training.au --data DATA --out RUNS`."""
    run_training(__doc__, AuRecipe, PRESET, train)


if __name__ == "__main__":
    run_alone(main)
