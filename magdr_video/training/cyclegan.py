"""Trains `cyclegan-synthetic`, the attention-guided generators of the `replace` task, on pairs.

Domain A is any face, domain B the persona (see `persona`): a face with the persona's features
under its own pose, expression, light and hair. AB is trained on (face, face with the persona
put on), BA on the same pairs turned round. What a face looked like before cannot be read from
the persona, so that BA gives a likely face, not the one that was there.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from magdr_video.models.cyclegan import CycleGAN
from magdr_video.models.trunk import blend_by_attention
from magdr_video.training.ahead import Ahead, spread
from magdr_video.training.critic import Contest, Contested
from magdr_video.training.faces_data import Array, OmiFaces, dull, is_held_out, jitter, recompress
from magdr_video.training.loop import memory_format, mixed_precision
from magdr_video.training.paired import (
    average_into,
    export_weights,
    from_images,
    paired_loss,
    scheduled_rate,
    soft_area,
    to_images,
)
from magdr_video.training.persona import load_persona, put_on, turn
from magdr_video.training.running import Place, run_alone, run_steps, run_training, set_up
from magdr_video.training.start import take_over

PRESET = "presets/training/cyclegan.toml"
PAIR_SIZE = 160
"""Side in pixels of a held pair; the jitter cuts training images out of it."""
DULL = 0.35
"""Share of pairs that look as from a plain camera: meant against stains on soft faces, which the
shipped weights, trained before, make; what it does in a whole training is not known yet."""
MOST_TURNED = 0.6
"""Heads turned further (see `persona.turn`) are not trained on: the warp fails on their rim."""


@dataclass(frozen=True)
class CycleganRecipe:
    """Settings of both trainings; the shipped weights' are in `presets/training/`.

    Attributes:
        steps: optimisation steps of AB.
        steps_back: optimisation steps of BA, which can only be approximate; 0 leaves it out.
    """

    size: int = 128
    width: int = 16
    blocks: int = 4
    batch: int = 4
    steps: int = 3000
    steps_back: int = 600
    rate: float = 1e-3
    last_rate: float = 3e-5
    attention_weight: float = 0.02
    smoothness_weight: float = 0.002
    average_decay: float = 0.998
    seed: int = 1234
    threads: int = 1
    critic_weight: float = 0.0
    """Weight of what the critic of patches asks for; 0 trains without one."""
    critic_rate: float = 4e-4
    critic_from: float = 0.4
    """Share of the steps before the critic joins in."""
    start: str = ""
    """Weights that AB begins with, a name or a file."""
    start_back: str = ""
    """The same of BA."""


@dataclass(frozen=True)
class ReplacePairs:
    """N faces without and with the persona, each uint8 (N, 160, 160, 3)."""

    faces: Array
    worn: Array

    def reversed(self) -> ReplacePairs:
        """The pairs of the way back."""
        return ReplacePairs(self.worn, self.faces)


def load_pairs(faces: OmiFaces, cache: Path, *, held_out: bool, workers: int = 0) -> ReplacePairs:
    """The pairs of all training (or held-out) photos; made once, then read from `cache`."""
    target = cache / f"replace-pairs-{'held-out' if held_out else 'train'}.npz"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        persona = load_persona(faces, PAIR_SIZE)
        names = [name for name in faces.photos if is_held_out(name) == held_out]
        names = [name for name in names if turn(faces.landmarks(name)) < MOST_TURNED]
        images = [faces.image(name, PAIR_SIZE) for name in names]

        def wear(one: tuple[str, Array]) -> Array:
            name, image = one
            return put_on(image, faces.labels(name), faces.landmarks(name), persona)

        worn = spread(wear, zip(names, images, strict=True), workers)
        np.savez(target, faces=np.stack(images), worn=np.stack(worn))
    with np.load(target) as held:
        return ReplacePairs(held["faces"], held["worn"])


def draw_batch(
    pairs: ReplacePairs, count: int, size: int, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Sources and targets (F, size, size, 3) uint8, each pair under one jitter."""
    sources, targets = [], []
    for index in rng.integers(0, len(pairs.faces), count):
        source, target = jitter([pairs.faces[index], pairs.worn[index]], size, rng)
        if rng.random() < DULL:
            source, target = dull([source, target], rng)
        if rng.random() < 0.3:
            # What the compression did to the source happens to the target too.
            packed = recompress(source, rng)
            change = packed.astype(np.int16) - source
            source, target = packed, (target + change).clip(0, 255).astype(np.uint8)
        sources.append(source)
        targets.append(target)
    return np.stack(sources), np.stack(targets)


class CycleganTraining(Contested[CycleGAN]):
    """One direction under paired supervision (a `Trainable` of the loop).

    Raises:
        WeightsError: the weights to begin with cannot be taken over.
    """

    def __init__(
        self,
        recipe: CycleganRecipe,
        train: ReplacePairs,
        held_out: ReplacePairs,
        steps: int,
        device: torch.device | str = "cpu",
        workers: int = 0,
        direction: str = "AB",
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.net = begun(recipe, direction)
        self.recipe, self.held_out, self.steps = recipe, held_out, steps
        self._device = torch.device(device)

        def draw(index: int) -> tuple[Array, Array]:
            rng = np.random.default_rng((recipe.seed, index))
            return draw_batch(train, recipe.batch, recipe.size, rng)

        self._batches = Ahead(draw, workers)
        self.net.to(device).to(memory_format=memory_format())
        self.average = build(recipe).to(device)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.Adam(self.net.parameters(), lr=recipe.rate)
        self.contest = None
        if recipe.critic_weight:
            self.contest = Contest(0, recipe.critic_rate, device)

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; the same index always draws the same pairs."""
        recipe = self.recipe
        source, target = (from_images(x).to(self._device) for x in self._batches.take(index))
        with mixed_precision(self._device):
            attention, colour = self.net.heads(source)
        attention = attention.float()
        out = blend_by_attention(source, attention, colour.float())
        l1, loss = paired_loss(
            source, target, out, attention, recipe.attention_weight, recipe.smoothness_weight
        )
        told = {"l1": l1.detach(), "do-nothing": (source - target).abs().mean()}
        told |= {"kept": attention.detach().mean()}
        if self.contest is not None and index >= recipe.critic_from * self.steps:
            nothing, area = source.new_zeros(len(source), 0), soft_area(target - source, 0.05)
            told["critic"] = self.contest.learn(source, target, out, nothing, area)
            asks = self.contest.persuade(source, target, out, nothing, area)
            loss = loss + recipe.critic_weight * asks
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, self.steps, recipe.rate, recipe.last_rate)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        return told

    def close(self) -> None:
        """Let go of the processes that draw."""
        self._batches.close()

    def sheet(self) -> Array:
        """Held-out faces in three columns, twice side by side: source, output, pair's target."""
        every = max(1, len(self.held_out.faces) // 16)
        faces, worn = self.held_out.faces[::every][:16], self.held_out.worn[::every][:16]
        return replace_sheet(self.average, faces, worn, self.recipe.size)


def build(recipe: CycleganRecipe) -> CycleGAN:
    """The network of the recipe, untrained."""
    return CycleGAN(width=recipe.width, blocks=recipe.blocks, attention=True)


def begun(recipe: CycleganRecipe, direction: str) -> CycleGAN:
    """The network that a direction, "AB" or "BA", begins with: untrained, or of the named weights.

    Raises:
        WeightsError: the weights are not there, or are of another network, form or direction.
    """
    net = build(recipe)
    setting, weights = (
        ("start", recipe.start) if direction == "AB" else ("start_back", recipe.start_back)
    )
    if weights:
        take_over(net, setting, weights, direction)
    return net


def _resized(images: Array, size: int) -> Tensor:
    return torch.nn.functional.interpolate(from_images(images), size=(size, size), mode="area")


@torch.no_grad()
def replace_sheet(net: CycleGAN, faces: Array, targets: Array, size: int) -> Array:
    """Rows of source, output and target, in two halves side by side; inputs (N, H, H, 3) uint8."""
    source = _resized(faces, size)
    device = next(net.parameters()).device
    columns = [to_images(x) for x in (source, net(source.to(device)), _resized(targets, size))]
    rows = [np.concatenate(tiles, axis=1) for tiles in zip(*columns, strict=True)]
    half = len(rows) // 2
    halves = [np.concatenate(part, axis=0) for part in (rows[:half], rows[half : 2 * half])]
    return np.concatenate(halves, axis=1)


def export(net: CycleGAN, recipe: CycleganRecipe, direction: str, target: Path) -> None:
    """Write the shipped file of a direction, "AB" or "BA": float16 safetensors with metadata."""
    facts = {
        "name": f"cyclegan-synthetic-{direction.lower()}",
        "architecture": "cyclegan",
        "width": str(recipe.width),
        "blocks": str(recipe.blocks),
        "condition": "[]",
        "size": str(recipe.size),
        "task": "replace",
        "direction": direction,
        "recipe": "magdr-video train cyclegan",
    }
    export_weights(net, facts, target)


def train(recipe: CycleganRecipe, place: Place) -> None:
    """Train AB, then BA, or go on from their checkpoints; weights are written into `place.out`.

    Raises:
        InputError: `place.data` holds no OMI faces.
        WeightsError: the weights to begin with, or a checkpoint, cannot be taken over.
    """
    set_up(place.device, recipe.threads)
    turns = [turn for turn in (("AB", recipe.steps), ("BA", recipe.steps_back)) if turn[1]]
    for direction, _ in turns:
        # Wrong weights are found here, not after the pairs or the other direction's hours.
        begun(recipe, direction)
    faces = OmiFaces(place.data)
    pairs, kept = (
        load_pairs(faces, place.out, held_out=part, workers=place.workers) for part in (False, True)
    )
    for direction, steps in turns:
        if direction == "BA":
            pairs, kept = pairs.reversed(), kept.reversed()
        training = CycleganTraining(
            recipe, pairs, kept, steps, place.device, place.workers, direction
        )
        run_steps(training, steps=steps, batch=recipe.batch, folder=place.out / direction)
        target = place.out / f"cyclegan-synthetic-{direction.lower()}.safetensors"
        export(training.average, recipe, direction, target)


def main() -> None:
    """`python -m magdr_video.training.cyclegan --data DATA --out RUNS`."""
    run_training(__doc__, CycleganRecipe, PRESET, train)


if __name__ == "__main__":
    run_alone(main)
