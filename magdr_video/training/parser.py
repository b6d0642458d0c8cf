"""Trains `bisenet-compact`, the face parser, on hand-made masks and a teacher's labels.

Source of the loss: online hard example mining on three heads, as for the public face-parsing
weights (METHOD, section 3.5). We differ in the optimiser (AdamW instead of SGD, which converges
in thousands of steps instead of tens of thousands) and in starting from noise, not ImageNet.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from magdr_video.models.bisenet import BiSeNet, normalise
from magdr_video.training.ahead import Ahead
from magdr_video.training.faces_data import Array
from magdr_video.training.loop import Averaged, memory_format, mixed_precision
from magdr_video.training.paired import scheduled_rate
from magdr_video.training.parser_faces import ParsedFaces, draw_view, load_parsed
from magdr_video.training.parser_scores import dice_table, draw_labels, measure_dice, parse_images
from magdr_video.training.running import Place, run_alone, run_steps, run_training, set_up
from magdr_video.training.start import take_over

PRESET = "presets/training/parser.toml"

RARE_WEIGHT = {6: 1.5, 9: 2.0, 11: 1.5, 15: 2.5, 18: 1.5}
"""Weight in the loss of classes that few faces have; the others count once."""


@dataclass(frozen=True)
class ParserRecipe:
    """Settings of the training; defaults are those of the shipped weights."""

    size: int = 320
    first_size: int = 224
    """Side of the images in the first part of the training, which is the cheaper one."""
    first_part: float = 0.6
    width: int = 24
    batch: int = 24
    steps: int = 6600
    rate: float = 2e-3
    last_rate: float = 2e-5
    decay: float = 1e-3
    certain: float = 0.7
    """Pixels whose class already has this probability are left out of the loss."""
    average_decay: float = 0.998
    seed: int = 1234
    threads: int = 1
    overlap_weight: float = 0.5
    """Weight of the soft Dice of the classes beside the cross-entropy."""
    start: str = ""
    """Name or file of a parser of the same width to begin with; noise where empty."""


def hard_pixel_loss(logits: Tensor, labels: Tensor, *, certain: float, weight: Tensor) -> Tensor:
    """Cross-entropy over the pixels that are still hard, at least a sixteenth of all.

    Args:
        logits: (F, 19, h, w), of any size; resized to half of `labels`.
        labels: (F, H, W) int64 classes.
        certain: pixels whose class has at least this probability are easy.
        weight: (19,) weight of each class.
    """
    side = labels.shape[-1] // 2
    # align_corners=True puts sample i at i (H - 1) / (side - 1): take the labels there.
    at = torch.linspace(0, labels.shape[-1] - 1, side, device=labels.device).round().long()
    wide = F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=True)
    loss = F.cross_entropy(wide, labels[:, at][:, :, at], weight=weight, reduction="none").flatten()
    hard = loss[loss > -math.log(certain)]
    least = loss.numel() // 16
    return hard.mean() if hard.numel() >= least else loss.topk(least).values.mean()


def overlap_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """One minus the soft Dice of the classes that the batch holds, over the batch's pixels.

    Cross-entropy weighs a class by its pixels; earrings and brows are few of them. Source:
    Milletari et al., "V-Net" (3DV 2016).

    Args:
        logits: (F, 19, h, w). labels: (F, H, W) int64 classes, taken at the logits' samples.
    """
    rows, columns = (
        torch.linspace(0, labels.shape[-1] - 1, side, device=labels.device).round().long()
        for side in logits.shape[-2:]
    )
    there = F.one_hot(labels[:, rows][:, :, columns], logits.shape[1]).permute(0, 3, 1, 2).float()
    found = logits.softmax(dim=1)
    both, held = (found * there).sum(dim=(0, 2, 3)), there.sum(dim=(0, 2, 3))
    dice = (2 * both + 1) / (found.sum(dim=(0, 2, 3)) + held + 1)
    shown = (held > 0).float()
    return ((1 - dice) * shown).sum() / shown.sum().clamp_min(1)


@torch.no_grad()
def average_into(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Exponential running average in place, of the weights and of BatchNorm's statistics."""
    held = average.state_dict()
    for name, new in net.state_dict().items():
        if new.dtype.is_floating_point:
            held[name].lerp_(new, 1 - decay)


def draw_batch(recipe: ParserRecipe, faces: ParsedFaces, index: int) -> tuple[Array, Array]:
    """Images (F, H, H, 3) and labels (F, H, H), both uint8, of a step."""
    rng = np.random.default_rng((recipe.seed, index))
    early = index < recipe.first_part * recipe.steps
    size = recipe.first_size if early else recipe.size
    chosen = rng.choice(len(faces.draw), recipe.batch, p=faces.draw)
    pairs = [draw_view(faces.images[i], faces.labels[i], size, rng) for i in chosen]
    return np.stack([image for image, _ in pairs]), np.stack([one for _, one in pairs])


def begun(recipe: ParserRecipe) -> BiSeNet:
    """The network that a training begins with: untrained, or of the named weights.

    Raises:
        WeightsError: the weights are not there, or are of another network or form.
    """
    net = BiSeNet(width=recipe.width)
    if recipe.start:
        take_over(net, "start", recipe.start)
    return net


class ParserTraining(Averaged[BiSeNet]):
    """The parser under supervision (a `Trainable` of the loop).

    Raises:
        WeightsError: the weights to begin with cannot be taken over.
    """

    def __init__(
        self,
        recipe: ParserRecipe,
        train: ParsedFaces,
        held_out: ParsedFaces,
        device: torch.device | str = "cpu",
        workers: int = 0,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.held_out = recipe, held_out
        self._device = torch.device(device)
        self.net = begun(recipe)
        self._batches = Ahead(lambda index: draw_batch(recipe, train, index), workers)
        self.net.to(device).to(memory_format=memory_format())
        self.average = BiSeNet(width=recipe.width).to(device).eval()
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.rate, weight_decay=recipe.decay
        )
        self.weight = torch.ones(19, device=device)
        for label, value in RARE_WEIGHT.items():
            self.weight[label] = value

    def step(self, index: int) -> dict[str, Tensor]:
        """One batch; the same index always draws the same views."""
        recipe = self.recipe
        drawn = [torch.from_numpy(x).to(self._device) for x in self._batches.take(index)]
        images = normalise(drawn[0].permute(0, 3, 1, 2).float() / 255)
        images, labels = images.contiguous(memory_format=memory_format()), drawn[1].long()
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        with mixed_precision(self._device):
            heads = self.net.coarse_logits(images)
        losses = [
            hard_pixel_loss(head.float(), labels, certain=recipe.certain, weight=self.weight)
            for head in heads
        ]
        if recipe.overlap_weight:
            losses[0] = losses[0] + recipe.overlap_weight * overlap_loss(heads[0].float(), labels)
        self.optimiser.zero_grad()
        # The two helper heads only keep the coarse features honest; 0.4 lets the first lead.
        loss = losses[0] + 0.4 * (losses[1] + losses[2])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        return {"loss": losses[0].detach()}

    def close(self) -> None:
        """Let go of the processes that draw."""
        self._batches.close()

    def sheet(self) -> Array:
        """Held-out faces: the photo, the parser's labels, the labels it was to find."""
        chosen = np.linspace(0, len(self.held_out.draw) - 1, 10).astype(int)
        images = self.held_out.images[chosen]
        found = parse_images(self.average, images, self.recipe.size)
        scores = measure_dice(found, self.held_out.labels[chosen])
        print(dice_table(scores), flush=True)
        columns = [images, draw_labels(found), draw_labels(self.held_out.labels[chosen])]
        return np.concatenate([np.concatenate(list(c), 1) for c in columns], 0)


def export(net: BiSeNet, recipe: ParserRecipe, target: Path) -> None:
    """Write the shipped file: float16 safetensors with its metadata."""
    facts = {
        "name": "bisenet-compact",
        "architecture": "bisenet",
        "layout": "zllrunning",
        "width": str(recipe.width),
        "classes": "19",
        "size": str(recipe.size),
        "alignment": "ffhq",
        "task": "parse",
        "data": "CelebAMask-HQ subset (810 faces); OMI synthetic faces with a teacher's labels",
        "licence": "CelebAMask-HQ: non-commercial research; OMI: CC BY-NC-SA 4.0; teacher MIT",
        "recipe": "magdr-video train parser",
    }
    tensors = {
        name: (value.half() if value.dtype.is_floating_point else value).contiguous().cpu()
        for name, value in net.state_dict().items()
    }
    save_file(tensors, str(target), metadata=facts)


def train(recipe: ParserRecipe, place: Place) -> None:
    """Train, or go on from the checkpoint in `place.out`, and write `bisenet-compact.safetensors`.

    Raises:
        InputError: `place.data` holds no OMI faces.
        WeightsError: the weights to begin with, or a checkpoint, cannot be taken over.
    """
    set_up(place.device, recipe.threads)
    begun(recipe)  # Wrong weights are found before all faces are loaded.
    faces, held_out = (load_parsed(place.data, held_out=part) for part in (False, True))
    training = ParserTraining(recipe, faces, held_out, place.device, place.workers)
    run_steps(training, steps=recipe.steps, batch=recipe.batch, folder=place.out)
    export(training.average, recipe, place.out / "bisenet-compact.safetensors")


def main() -> None:
    """`python -m magdr_video.training.parser --data DATA --out RUNS`."""
    run_training(__doc__, ParserRecipe, PRESET, train)


if __name__ == "__main__":
    run_alone(main)
