"""Protect a clip: perturb its faces so that a generator breaks on them.

The perturbation is made on the aligned crops, frame by frame, and only the change is pasted
back, so that pixels outside the crops stay as they are.
"""

from __future__ import annotations

from pathlib import Path

import torch

from magdr_video.attacks.pgd import pgd
from magdr_video.faces.pasting import paste, paste_weight
from magdr_video.runs import Models, Tick, crops_of
from magdr_video.settings import Settings
from magdr_video.types import FaceCrops, FrameBatch
from magdr_video.video.reader import probe
from magdr_video.video.writer import ClipWriter

CHUNK = 16
"""Faces attacked at once: bounds the memory of the backward pass."""


def protect_clip(
    source: Path,
    target: Path,
    settings: Settings,
    models: Models,
    *,
    epsilon: float = 0.05,
    step_size: float = 0.01,
    steps: int = 10,
    overwrite: bool = False,
    tick: Tick = lambda frames, seconds: None,
) -> int:
    """Write the clip with perturbed faces, lossless by default (H.264, crf 0).

    Args:
        epsilon, step_size: in the paper's units, images in [-1, 1].
        steps: gradient steps of PGD.

    Returns:
        The number of face-frames perturbed.
    """
    faces = frames = 0
    with ClipWriter(
        target,
        probe(source),
        source=source,
        crf=0,
        preset="veryfast",
        overwrite=overwrite,
    ) as writer:
        for batch, crops in crops_of(source, settings, models):
            writer.write(_protect(batch, crops, settings, models, epsilon, step_size, steps))
            faces, frames = faces + len(crops), frames + len(batch)
            tick(frames, int(batch.pts[-1]) * batch.time_base)
    return faces


def _protect(
    batch: FrameBatch,
    crops: FaceCrops,
    settings: Settings,
    models: Models,
    epsilon: float,
    step_size: float,
    steps: int,
) -> FrameBatch:
    if len(crops) == 0:
        return batch
    condition = models.translator.condition(models.condition, len(crops))
    perturbed = []
    for start in range(0, len(crops), CHUNK):
        piece = slice(start, start + CHUNK)
        images = crops.data[piece]
        perturbed.append(
            pgd(
                models.translator.translate,
                images,
                condition[piece],
                epsilon=epsilon,
                step_size=step_size,
                steps=steps,
                target=images if settings.task == "replace" else None,
                seed=settings.run.seed + batch.first_index + start,
            )
        )
    return paste(batch, crops, torch.cat(perturbed), paste_weight(crops))
