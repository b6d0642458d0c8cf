"""How exactly networks compute on a CUDA device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from magdr_video.errors import SettingsError

HALF = "half"


@dataclass(frozen=True)
class Precision:
    """Which networks of a run compute in half precision.

    Convolutions and products of matrices take 16 bits then, sums and what needs its range stay at
    32 (`torch.autocast`). Weights, inputs and results are float32 in any case.
    """

    parser: bool = False
    """The parser."""
    translation: bool = False
    """The generator, where its result is what is shown."""
    inspection: bool = False
    """The generator, where the detector measures it: the tables were fitted to the full one."""

    @property
    def drafts_serve(self) -> bool:
        """True where what the detector measured is what would be shown."""
        return self.translation == self.inspection


def choose_precision(name: str, device: torch.device) -> Precision:
    """'half' is parser and shown translation at 16 bits; 'full' and 'auto' all at 32.

    What the detector measures stays at 32 bits: its tables were fitted to that. 'auto' will take
    half precision where it pays once that has been measured on a GPU, which it has not.

    Raises:
        SettingsError: half precision was asked of a processor.
    """
    if name == HALF and device.type != "cuda":
        raise SettingsError(
            "--precision half needs a CUDA device", hint="drop it: a processor computes in full"
        )
    half = name == HALF
    return Precision(parser=half, translation=half)


def computing(device: torch.device, *, half: bool) -> AbstractContextManager[object]:
    """Inside, networks on `device` compute in half precision where asked."""
    if not half:
        return nullcontext()
    return torch.autocast(device.type, torch.float16)
