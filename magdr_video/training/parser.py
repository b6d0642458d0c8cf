"""Trains `bisenet-compact`, the face parser, on hand-made masks and a teacher's labels.

Source of the loss: online hard example mining on three heads, as for the public face-parsing
weights (METHOD, section 3.5). We differ in the optimiser (AdamW instead of SGD, which converges
in thousands of steps instead of tens of thousands) and in starting from noise, not ImageNet.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from magdr_video.models.bisenet import BiSeNet, normalise
from magdr_video.training.faces_data import Array
from magdr_video.training.loop import Averaged, fit, memory_format, mixed_precision
from magdr_video.training.paired import read_recipe, scheduled_rate
from magdr_video.training.parser_faces import ParsedFaces, draw_view, load_parsed
from magdr_video.training.parser_scores import dice_table, draw_labels, measure_dice, parse_images

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
    width: int = 20
    batch: int = 8
    steps: int = 2800
    rate: float = 2e-3
    last_rate: float = 2e-5
    decay: float = 1e-4
    certain: float = 0.7
    """Pixels whose class already has this probability are left out of the loss."""
    average_decay: float = 0.995
    seed: int = 1234
    threads: int = 1


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
    at = torch.linspace(0, labels.shape[-1] - 1, side).round().long()
    wide = F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=True)
    loss = F.cross_entropy(wide, labels[:, at][:, :, at], weight=weight, reduction="none").flatten()
    hard = loss[loss > -math.log(certain)]
    least = loss.numel() // 16
    return hard.mean() if hard.numel() >= least else loss.topk(least).values.mean()


@torch.no_grad()
def average_into(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Exponential running average in place, of the weights and of BatchNorm's statistics."""
    held = average.state_dict()
    for name, new in net.state_dict().items():
        if new.dtype.is_floating_point:
            held[name].lerp_(new, 1 - decay)


class ParserTraining(Averaged[BiSeNet]):
    """The parser under supervision (a `Trainable` of the loop)."""

    def __init__(self, recipe: ParserRecipe, train: ParsedFaces, held_out: ParsedFaces) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.train, self.held_out = recipe, train, held_out
        self.net = BiSeNet(width=recipe.width).to(memory_format=memory_format())
        self.average = BiSeNet(width=recipe.width).eval()
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.AdamW(
            self.net.parameters(), lr=recipe.rate, weight_decay=recipe.decay
        )
        self.weight = torch.ones(19)
        for label, value in RARE_WEIGHT.items():
            self.weight[label] = value

    def _batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Normalised images (F, 3, H, H) and labels (F, H, H) of a step."""
        recipe = self.recipe
        rng = np.random.default_rng((recipe.seed, index))
        early = index < recipe.first_part * recipe.steps
        size = recipe.first_size if early else recipe.size
        chosen = rng.choice(len(self.train.draw), recipe.batch, p=self.train.draw)
        pairs = [draw_view(self.train.images[i], self.train.labels[i], size, rng) for i in chosen]
        images = torch.from_numpy(np.stack([image for image, _ in pairs])).permute(0, 3, 1, 2)
        labels = torch.from_numpy(np.stack([one for _, one in pairs])).long()
        normal = normalise(images.float() / 255)
        return normal.contiguous(memory_format=memory_format()), labels

    def step(self, index: int) -> dict[str, float]:
        """One batch; the same index always draws the same views."""
        recipe = self.recipe
        images, labels = self._batch(index)
        for group in self.optimiser.param_groups:
            group["lr"] = scheduled_rate(index, recipe.steps, recipe.rate, recipe.last_rate)
        with mixed_precision():
            heads = self.net.coarse_logits(images)
        losses = [
            hard_pixel_loss(head.float(), labels, certain=recipe.certain, weight=self.weight)
            for head in heads
        ]
        self.optimiser.zero_grad()
        # The two helper heads only keep the coarse features honest; 0.4 lets the first lead.
        loss = losses[0] + 0.4 * (losses[1] + losses[2])
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        average_into(self.average, self.net, min(recipe.average_decay, index / (index + 20)))
        return {"loss": float(losses[0].detach())}

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
        name: (value.half() if value.dtype.is_floating_point else value).contiguous()
        for name, value in net.state_dict().items()
    }
    save_file(tensors, str(target), metadata=facts)


def train(recipe: ParserRecipe, *, data: Path, out: Path) -> None:
    """Train, or go on from `out`'s checkpoint, and write `out/bisenet-compact.safetensors`.

    Args:
        data: the folder that holds `parsing/` and `omi/`.
        out: home of the checkpoint, the sheets and the weights.

    Raises:
        InputError: `data` holds no OMI faces.
    """
    torch.set_num_threads(recipe.threads)
    training = ParserTraining(
        recipe, load_parsed(data, held_out=False), load_parsed(data, held_out=True)
    )
    fit(training, steps=recipe.steps, batch=recipe.batch, folder=out, report=_say)
    export(training.average, recipe, out / "bisenet-compact.safetensors")


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """`python -m magdr_video.training.parser --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=Path(PRESET))
    given = parser.parse_args()
    train(read_recipe(ParserRecipe, given.recipe), data=given.data, out=given.out)


if __name__ == "__main__":
    main()
