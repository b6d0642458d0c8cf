"""What is left of a perturbation: disruption of the generator's output, clip against clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.success import DISRUPTED, disruption, reached_target
from magdr_video.criteria import psnr_db
from magdr_video.device import batch_size
from magdr_video.errors import RuntimeFailure
from magdr_video.faces.alignment import align
from magdr_video.loading import Models
from magdr_video.settings import Settings
from magdr_video.types import Faces, FrameBatch
from magdr_video.video.reader import ClipReader


@dataclass
class Tally:
    """Adds up, face by face, how far outputs are from those of the clean faces.

    Args:
        targeted: the attack moves outputs toward their inputs; its success is counted as well.
    """

    targeted: bool = False
    _columns: dict[str, list[Tensor]] = field(default_factory=dict)

    def add(self, clean: Tensor, clean_output: Tensor, crops: Tensor, output: Tensor) -> None:
        """Compare F faces, all (F, 3, S, S) in [0, 1]."""
        found = disruption(clean, clean_output, output)
        columns = {
            "error": found.error,
            "edited": found.edited_error,
            "input_psnr": psnr_db(clean, crops),
            "output_psnr": psnr_db(clean_output, output),
        }
        if self.targeted:
            columns["reached"] = reached_target(clean_output, output, clean).float()
        for name, values in columns.items():
            self._columns.setdefault(name, []).append(values.detach().cpu())

    def row(self, what: str) -> dict[str, Any]:
        """One row of the report; errors in [-1, 1] units, shares in [0, 1], null without faces."""
        held = {name: torch.cat(parts) for name, parts in self._columns.items()}
        error, edited = held.get("error", torch.zeros(0)), held.get("edited", torch.zeros(0))
        defined = edited[~edited.isnan()]
        row: dict[str, Any] = {
            "what": what,
            "faces": len(error),
            "mean_error": _mean(error),
            "disrupted": _mean((error > DISRUPTED).float()),
            "mean_error_where_edited": _mean(defined),
            "disrupted_where_edited": _mean((defined > DISRUPTED).float()),
            "faces_without_edit": len(edited) - len(defined),
            "psnr_of_crops": _mean(held.get("input_psnr", error)),
            "psnr_of_outputs": _mean(held.get("output_psnr", error)),
        }
        if self.targeted:
            row["reached_target"] = _mean(held.get("reached", error))
        return row


def _mean(values: Tensor) -> float | None:
    return round(float(values.mean()), 5) if len(values) else None


def measure_variants(
    source: Path,
    variants: Mapping[str, Path],
    faces: Sequence[Faces],
    settings: Settings,
    models: Models,
    *,
    targeted: bool = False,
) -> dict[str, Tally]:
    """Translate the same faces of a clip and of variants of it, frame by frame in step.

    Args:
        source: the clean clip.
        variants: clips with the source's frames, by name.
        faces: of each batch of `settings.run.batch` frames; found on the source once, so that
            all crops show the same place.

    Raises:
        RuntimeFailure: a variant has more or fewer frames than the source.
    """
    tallies = {name: Tally(targeted) for name in variants}
    with ExitStack() as stack:
        clips = [source, *variants.values()]
        readers = [
            stack.enter_context(
                ClipReader(p, batch=batch_size(settings.run.batch, settings.run.device))
            )
            for p in clips
        ]
        for found, *batches in zip(faces, *readers, strict=True):
            clean, *others = batches
            if any(len(other) != len(clean) for other in others):
                raise RuntimeFailure(f"variants of {source} do not have its frames")
            if len(found) == 0:
                continue
            crops, output = _translated(clean, found, models, readers[0])
            for name, other in zip(variants, others, strict=True):
                changed, broken = _translated(other, found, models, readers[0])
                tallies[name].add(crops, output, changed, broken)
    return tallies


@torch.no_grad()
def _translated(
    batch: FrameBatch, faces: Faces, models: Models, reader: ClipReader
) -> tuple[Tensor, Tensor]:
    record, aspect = models.translator.record, float(reader.info.sample_aspect)
    crops = align(batch, faces, record.size, record.alignment, models.device, aspect=aspect).data
    condition = models.translator.condition(models.condition, len(crops))
    return crops, models.translator.translate(crops, condition)
