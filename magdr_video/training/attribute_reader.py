"""A small network that reads gender and age from a face: the judge of the `edit` generator.

It is trained apart, on the ratings of the same training identities, and never on generated
images. The generator is trained against a reader of another seed, and meets the judge nowhere.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from magdr_video.errors import WeightsError
from magdr_video.training.edit_pairs import EditViews
from magdr_video.training.faces_data import jitter
from magdr_video.training.paired import from_images

READER_SIZE = 64
THRESHOLDS = (50.0, 33.0)
"""Ratings above which a face counts as male and as no longer young; the medians are 42 and 33."""
_SPREAD = 20.0
JUDGE_SEED = 7
"""Seed of the reader that judges; no generator may be trained against it."""
KEPT = "edit-reader.safetensors"
"""The reader of a training in the folder of its run."""


class AttributeReader(nn.Module):
    """Images (F, 3, S, S) in [-1, 1] to logits of (male, young), (F, 2)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for outputs in (width, 2 * width, 3 * width, 4 * width):
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1),
                nn.BatchNorm2d(outputs),
                nn.ReLU(inplace=True),
            ]
            inputs = outputs
        self.trunk = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(16 * width, 2))

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.parameters()).device

    def forward(self, images: Tensor) -> Tensor:
        """Logits; the images may be of any size and are brought to 64 px."""
        small = nn.functional.interpolate(images, size=(READER_SIZE, READER_SIZE), mode="area")
        out: Tensor = self.head(self.trunk(small))
        return out


def soft_labels(ratings: Tensor) -> Tensor:
    """Probability of male and of young for (gender, age) ratings (F, 2): a soft threshold."""
    male, old = ((ratings - ratings.new_tensor(THRESHOLDS)) / (_SPREAD / 2)).sigmoid().unbind(1)
    return torch.stack([male, 1 - old], dim=1)


def train_reader(
    held: EditViews,
    *,
    steps: int,
    batch: int = 32,
    seed: int = JUDGE_SEED,
    device: torch.device | str = "cpu",
) -> AttributeReader:
    """Fit a reader to the faces as they are and to their recoloured hair, which tells nothing."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    reader = AttributeReader().to(device)
    optimiser = torch.optim.AdamW(reader.parameters(), lr=2e-3, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for _ in range(steps):
        chosen = rng.integers(0, len(held.hair), batch)
        views = [jitter([held.views[i, rng.choice(4)]], READER_SIZE, rng)[0] for i in chosen]
        wanted = soft_labels(torch.from_numpy(held.ratings[chosen])).to(device)
        logits = reader(from_images(np.stack(views)).to(device))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        rates.step()
    return reader.eval()


def kept_reader(
    held: EditViews, folder: Path, *, steps: int, seed: int, device: torch.device | str = "cpu"
) -> AttributeReader:
    """As `train_reader`, but trained once for a folder: a run that goes on meets the same reader.

    It is trained anew for other faces, another seed or another number of steps.

    Raises:
        WeightsError: what is kept is damaged, or is no such network.
    """
    seen = hashlib.sha256(np.ascontiguousarray(held.ratings).data)
    seen.update(np.ascontiguousarray(held.views).data)
    facts = {"seed": str(seed), "steps": str(steps), "faces": seen.hexdigest()}
    target = folder / KEPT
    reader = _read(target, facts)
    if reader is None:
        reader = train_reader(held, steps=steps, seed=seed, device=device)
        part = target.with_suffix(".part")
        tensors = {name: value.contiguous().cpu() for name, value in reader.state_dict().items()}
        save_file(tensors, part, metadata=facts)
        part.replace(target)
    return reader.to(device)


def _read(path: Path, facts: dict[str, str]) -> AttributeReader | None:
    """The reader that is kept; None where there is none that was trained so."""
    if not path.exists():
        return None
    reader = AttributeReader()
    try:
        with safe_open(path, "pt") as held:
            if held.metadata() != facts:
                return None
            reader.load_state_dict({name: held.get_tensor(name) for name in held.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"{path} is damaged, or was made by another version",
            hint="take it away, and the reader is trained anew",
        ) from error
    return reader.eval()


def disobedience(reader: AttributeReader, out: Tensor, asked: Tensor, index: int) -> Tensor:
    """StarGAN's domain loss (Choi et al. 2018, eq. 3) of Male and Young, where they are asked.

    The images are shifted by a few pixels, each batch anew, so that no pattern that the reader
    alone would see pays.

    Args:
        out: (F, 3, S, S) in [-1, 1]. asked: (F, 5); 0.5 asks for nothing.
        index: of the step, which seeds the shift.
    """
    shift = tuple(int(x) for x in np.random.default_rng(index).integers(-4, 5, 2))
    logits = reader(torch.roll(out, shift, dims=(2, 3)))
    wanted = asked[:, 3:]
    weight = ((wanted - 0.5).abs() * 2).to(logits.dtype)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return (weight * loss).mean()


@torch.no_grad()
def reader_accuracy(reader: AttributeReader, held: EditViews) -> tuple[float, float]:
    """Share of faces whose gender and whose age the reader puts on the rated side."""
    logits = reader(from_images(held.views[:, 0]).to(reader.device)).cpu()
    right = (logits > 0) == (soft_labels(torch.from_numpy(held.ratings)) > 0.5)
    male, young = right.float().mean(0).tolist()
    return male, young
