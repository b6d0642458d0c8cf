"""One resumable loop for every training.

A trainable owns its networks, optimisers and data; the loop owns the clock, the checkpoints and
the sample sheets. A checkpoint is written under a temporary name and moved into place, so that
an interruption at any moment leaves the last whole one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magdr_video.errors import WeightsError

CHECKPOINT = "checkpoint.pt"


class Trainable(Protocol):
    """What the loop needs to know of a model in training."""

    def step(self, index: int) -> Mapping[str, float | Tensor]:
        """Take optimisation step `index` (seeds derive from it) and return its losses.

        Losses may stay on the device: reading them would make it wait at every step.
        """

    def state(self) -> dict[str, Any]:
        """Everything that a resumed run needs: tensors, numbers, lists and dicts of them."""

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""

    def sheet(self) -> np.ndarray[Any, np.dtype[np.uint8]] | None:
        """A contact sheet (H, W, 3) of held-out samples, or None."""


NetT = TypeVar("NetT", bound=torch.nn.Module)


class Averaged(Generic[NetT]):
    """State of a trainable that holds a network, its running average and an optimiser."""

    net: NetT
    average: NetT
    optimiser: torch.optim.Optimizer

    def state(self) -> dict[str, Any]:
        """Network, its running average and the optimiser."""
        return {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Restore what `state` returned."""
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])


def _has_bfloat16() -> bool:
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def mixed_precision(device: torch.device | str = "cpu") -> torch.autocast:
    """bfloat16 on a GPU, and where the processor computes in it; elsewhere it would be ten times
    slower."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda" or _has_bfloat16())


def memory_format() -> torch.memory_format:
    """Channels last for bfloat16, where it pays.

    In float32 it does not, and torch 2.14 on CPUs without bfloat16 corrupts the heap in the
    backward pass of very narrow channels-last convolutions.
    """
    return torch.channels_last if _has_bfloat16() else torch.contiguous_format


def save_checkpoint(folder: Path, index: int, trainable: Trainable) -> None:
    """Write the state after `index` steps, atomically."""
    target = folder / CHECKPOINT
    part = target.with_suffix(".part")
    torch.save({"index": index, "state": trainable.state()}, part)
    part.replace(target)


def load_checkpoint(folder: Path, trainable: Trainable) -> int:
    """Restore the last checkpoint of the folder and return its step; 0 when there is none.

    Raises:
        WeightsError: it is damaged, or of another recipe.
    """
    target = folder / CHECKPOINT
    if not target.exists():
        return 0
    try:
        held = torch.load(target, weights_only=True, map_location="cpu")
        trainable.load(held["state"])
    except (KeyError, RuntimeError, ValueError, EOFError, UnpicklingError) as error:
        raise WeightsError(
            f"{target} is damaged, or was made by another recipe",
            hint="give --out another folder, or take it away to begin anew",
        ) from error
    return int(held["index"])


def fit(
    trainable: Trainable,
    *,
    steps: int,
    batch: int,
    folder: Path,
    save_every: int = 250,
    report_every: int = 50,
    report: Callable[[str], None] = print,
) -> None:
    """Train until `steps`, resuming from the folder's checkpoint.

    Args:
        steps: total optimisation steps, those of earlier runs counted in.
        batch: images a step, for the reported throughput only.
        folder: home of the checkpoint and of the sample sheets; made when absent.
        report: called with one line of progress every `report_every` steps.
    """
    folder.mkdir(parents=True, exist_ok=True)
    first = load_checkpoint(folder, trainable)
    began = time.perf_counter()
    sums: dict[str, float | Tensor] = {}
    for index in range(first, steps):
        for name, value in trainable.step(index).items():
            sums[name] = sums.get(name, 0.0) + value
        done = index + 1
        if done % report_every == 0:
            rate = (done - first) * batch / (time.perf_counter() - began)
            losses = " ".join(f"{k} {float(v) / report_every:.4f}" for k, v in sums.items())
            left = (steps - done) * batch / rate / 60
            report(f"step {done}/{steps}  {rate:.1f} images/s  {left:.0f} min left  {losses}")
            sums = {}
        if done % save_every == 0 or done == steps:
            save_checkpoint(folder, done, trainable)
            sheet = trainable.sheet()
            if sheet is not None:
                Image.fromarray(sheet).save(folder / f"sheet-{done:06d}.png")
