"""Trains `motion-purifier` on attacked clips of moving faces, and on attacked faces alone.

    python -m magdr_video.training.motion_purifier --data DATA --out RUNS

First on images alone, on windows; then on whole faces with the output loss of eq. 8 through the
frozen generators. What is wanted is the clean frame as it was before the codec, since a run knows
that a face is perturbed where it uses this network.
"""

from __future__ import annotations

import argparse
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from magdr_video.device import choose_device
from magdr_video.errors import SettingsError, WeightsError
from magdr_video.models.motion_purifier import MotionPurifier
from magdr_video.models.purifier import Purifier
from magdr_video.models.trunk import to_model_range
from magdr_video.models.zoo import find, load_as
from magdr_video.training.faces_data import Array, OmiFaces, is_held_out
from magdr_video.training.loop import Averaged, memory_format
from magdr_video.training.motion_pool import ClipPiece, ClipPool, fill_clips
from magdr_video.training.motion_views import MotionViews, clip_views, joined, still_views
from magdr_video.training.paired import (
    average_into,
    export_weights,
    read_recipe,
    scheduled_rate,
    to_images,
)
from magdr_video.training.purifier import charbonnier, output_loss
from magdr_video.training.purifier_pool import Piece, Pool
from magdr_video.training.running import make_folder, run_alone, run_steps, tell
from magdr_video.translation import load_translator

PRESET = "presets/training/motion-purifier.toml"
NAME = "motion-purifier"


@dataclass(frozen=True)
class MotionPurifierRecipe:
    """Settings of one training; how the shipped weights were made is told in their card."""

    size: int = 128
    window: int = 64
    """Side of the windows of the first part, px."""
    width: int = 24
    blocks: int = 3
    clips: int = 3
    """Clips a step, all of one generator."""
    frames: int = 2
    """Frames of each clip."""
    stills: int = 3
    """Faces alone a step, whose average is the face itself."""
    steps: int = 4200
    output_from: int = 1200
    """Step at which whole faces and the loss on outputs begin."""
    output_faces: int = 4
    """Faces a step that go through the generator."""
    output_weight: float = 0.5
    pieces: int = 200
    """Clips that are attacked; the generators take turns."""
    first_pieces: int = 112
    """Clips that the first steps draw from."""
    grow_every: int = 40
    """Steps after which one clip more is drawn from, so that training need not wait for all."""
    still_pieces: int = 92
    """Pieces of the still purifier's pool."""
    rate: float = 1e-3
    last_rate: float = 2e-5
    average_decay: float = 0.998
    seed: int = 1234
    threads: int = 1
    generators: str = (
        "stargan-synthetic,stargan-synthetic,cyclegan-synthetic-ab,ganimation-synthetic"
    )
    start: str = "purifier"
    """Still purifier to begin with, a name or a file."""


def begun(recipe: MotionPurifierRecipe) -> MotionPurifier:
    """The network that a training begins with: the still purifier, of averages.

    Raises:
        WeightsError: the weights are not there, or are of another network or form.
    """
    still = load_as(Purifier, find(recipe.start), f"start = '{recipe.start}'")
    form = (still.enter.out_channels, len(still.deep))
    if form != (recipe.width, recipe.blocks):
        raise WeightsError(
            f"start = '{recipe.start}' has width {form[0]} and {form[1]} blocks, the recipe width "
            f"{recipe.width} and {recipe.blocks} blocks",
            hint="a training begins with a still purifier of its own form",
        )
    net = MotionPurifier(width=recipe.width, blocks=recipe.blocks)
    net.begin_as(still)
    return net


def require_batches(recipe: MotionPurifierRecipe) -> None:
    """Refuse a recipe from which no batch can be drawn.

    Raises:
        SettingsError: it asks for none, for larger windows than faces, or for fewer pieces than
            there are generators to take turns.
    """
    for name in ("clips", "frames", "output_faces"):
        if getattr(recipe, name) < 1:
            raise SettingsError(f"{name} = {getattr(recipe, name)} is out of range", hint=">= 1")
    if recipe.window > recipe.size:
        raise SettingsError(
            f"window = {recipe.window} is larger than size = {recipe.size}",
            hint="a window is a part of a face",
        )
    turns = len(recipe.generators.split(","))
    for name in ("pieces", "first_pieces", *(["still_pieces"] if recipe.stills else [])):
        if getattr(recipe, name) < turns:
            raise SettingsError(
                f"{name} = {getattr(recipe, name)} leaves one of {turns} generators without any",
                hint=f">= {turns}",
            )


class MotionPurifierTraining(Averaged[MotionPurifier]):
    """The motion purifier under its losses (a `Trainable` of the loop)."""

    def __init__(
        self,
        recipe: MotionPurifierRecipe,
        clips: ClipPool,
        stills: Pool,
        held_out: ClipPool,
        device: torch.device | str = "cpu",
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.clips, self.held_out = recipe, clips, held_out
        self.device = torch.device(device)
        self.net = begun(recipe).to(self.device)
        self.average = MotionPurifier(width=recipe.width, blocks=recipe.blocks).to(self.device)
        self.average.load_state_dict(self.net.state_dict())
        self.net.to(memory_format=memory_format())
        self.optimiser = torch.optim.AdamW(self.net.parameters(), lr=recipe.rate, weight_decay=0)
        self._clip = functools.lru_cache(maxsize=None)(clips.piece)
        self._still = functools.lru_cache(maxsize=None)(stills.piece)

    def draw(self, index: int) -> tuple[int, MotionViews]:
        """The turn of a step's generator and its views; the same for the same index."""
        recipe, turns = self.recipe, len(self.clips.translators)
        rng = np.random.default_rng((recipe.seed, index))
        turn = int(rng.integers(turns))
        side = recipe.size if index >= recipe.output_from else recipe.window
        parts = []
        ready = min(recipe.pieces, recipe.first_pieces + index // recipe.grow_every)
        for number in rng.integers(ready // turns, size=recipe.clips):
            piece: ClipPiece = self._clip(int(number) * turns + turn)
            parts.append(clip_views(piece, recipe.frames, side, rng))
        if recipe.stills:
            number = int(rng.integers(recipe.still_pieces // turns))
            alone: Piece = self._still(number * turns + turn)
            parts.append(still_views(alone, recipe.stills, side, rng))
        return turn, joined(parts)

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; the losses stay on the device."""
        recipe = self.recipe
        turn, drawn = self.draw(index)
        views = drawn.to(self.device)
        mean, frame, wanted = (
            to_model_range(part) for part in (views.mean, views.frame, views.wanted)
        )
        repaired = self.net(mean, frame)
        loss = charbonnier(repaired - wanted).mean()
        parts = {"left": loss / charbonnier(mean - wanted).mean().clamp(min=1e-6)}
        if index >= recipe.output_from:
            rng = np.random.default_rng((recipe.seed, index, 1))
            some = rng.choice(len(repaired), min(recipe.output_faces, len(repaired)), replace=False)
            translator = self.clips.translator(turn)
            faces = views.wanted[some], views.condition[some]
            output = output_loss(translator, repaired[some], *faces)
            loss = loss + recipe.output_weight * output
            parts["output"] = output
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        return {name: value.detach() for name, value in parts.items()}

    def close(self) -> None:
        """Nobody draws ahead: a view is read, not made."""

    @torch.no_grad()
    def sheet(self) -> Array:
        """Held-out faces: clean, frame, average, repaired, and eight times what is wrong."""
        rows = []
        for turn in range(4):
            piece = self.held_out.piece(turn)
            clean, frame, mean = (
                to_model_range(part[:2].to(self.device).float() / 255)
                for part in (piece.clean, piece.attacked, piece.attacked_mean)
            )
            repaired = self.average(mean, frame)
            rows.append((clean, frame, mean, repaired, (repaired - clean) * 8))
        columns = [torch.cat(column) for column in zip(*rows, strict=True)]
        return np.concatenate([np.concatenate([*to_images(held)], axis=1) for held in columns])


def export(net: MotionPurifier, recipe: MotionPurifierRecipe, target: Path) -> None:
    """Write the shipped file: float16 safetensors with its metadata."""
    facts = {
        "name": NAME,
        "architecture": "motion-purifier",
        "layout": "magdr",
        "width": str(recipe.width),
        "size": str(recipe.size),
        "task": "purify",
        "recipe": "magdr-video train motion-purifier",
    }
    export_weights(net, facts, target)


def train(
    recipe: MotionPurifierRecipe,
    *,
    data: Path,
    out: Path,
    stills: Path,
    pool_only: bool = False,
    device: str = "auto",
) -> None:
    """Train, or go on from `out`'s checkpoint, and write `out/motion-purifier.safetensors`.

    Args:
        data: the folder that holds `omi/`.
        out: home of the pool, the checkpoint, the sample sheets and the weights.
        stills: home of the still purifier's pool; pieces that are missing are made.
        pool_only: make the attacked clips and stop, so that another process may do it ahead.
        device: of the network and the generators.

    Raises:
        DeviceError: the device asked for is not there.
        InputError: `data` holds no OMI faces.
        OutputError: `out` or `stills` cannot be made.
        SettingsError: no batch can be drawn by the recipe.
        WeightsError: a generator, the weights to start with, or a checkpoint cannot be loaded.
    """
    torch.set_num_threads(recipe.threads)
    require_batches(recipe)
    begun(recipe)  # Wrong weights are found before an hour of attacks.
    place, faces = choose_device(device), OmiFaces(data)
    make_folder("--out", out)
    make_folder("--stills", stills)
    translators = [load_translator(name.strip(), place) for name in recipe.generators.split(",")]
    known = [name for name in faces.photos if not is_held_out(name)]
    unknown = [name for name in faces.photos if is_held_out(name)]
    size, seed = recipe.size, recipe.seed
    clips = ClipPool(out / "clips", translators, faces, known, size=size, seed=seed)
    if pool_only:
        fill_clips(clips, recipe.pieces, tell)
        return
    held_out = ClipPool(out / "clips-held-out", translators, faces, unknown, size, seed + 1)
    alone = Pool(stills, translators, faces, known, size=size, seed=seed)
    training = MotionPurifierTraining(recipe, clips, alone, held_out, place)
    batch = recipe.clips * recipe.frames + recipe.stills
    run_steps(training, steps=recipe.steps, batch=batch, folder=out, save_every=200)
    export(training.average, recipe, out / f"{NAME}.safetensors")


def main() -> None:
    """`python -m magdr_video.training.motion_purifier --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stills", type=Path, help="pool of `train purifier`; OUT/stills if none")
    parser.add_argument("--recipe", type=Path, default=Path(PRESET))
    parser.add_argument("--pool-only", action="store_true", help="make the attacked clips only")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    train(
        read_recipe(MotionPurifierRecipe, given.recipe),
        data=given.data,
        out=given.out,
        stills=given.stills or given.out / "stills",
        pool_only=given.pool_only,
        device=given.device,
    )


if __name__ == "__main__":
    run_alone(main)
