"""Each stage of the pipeline alone, on the same frames, with the settings of a real run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from magdr_video.benchmark.device_use import DeviceUse, device_use
from magdr_video.benchmark.stopwatch import Spent
from magdr_video.device import batch_size
from magdr_video.loading import Models
from magdr_video.pipeline import with_neighbours
from magdr_video.settings import Settings
from magdr_video.staging import stage_clip
from magdr_video.types import FrameBatch, RunReport
from magdr_video.video.reader import ClipReader
from magdr_video.video.writer import ClipWriter

Held = TypeVar("Held")

STAGES = (
    "decode",
    "find faces",
    "align",
    "parse",
    "inspect",
    "reconstruct",
    "translate",
    "paste",
    "encode",
)
"""In the order of the loop."""

FACE_STAGES = ("align", "parse", "inspect", "reconstruct", "translate", "paste")
"""Those whose work grows with the faces, once they are found."""

PROFILED_FRAMES = 64
"""Frames at most while the device's own work is recorded: every kernel is kept."""


def first_frames(batches: Iterable[FrameBatch], limit: int) -> Iterator[FrameBatch]:
    """Whole batches until `limit` frames are reached; all where it is 0."""
    seen = 0
    for batch in batches:
        yield batch
        seen += len(batch)
        if limit and seen >= limit:
            return


def encode(clip: Path, target: Path, batches: Iterable[FrameBatch], settings: Settings) -> None:
    """Write batches as a run writes them, without the clip's sound."""
    out = settings.output
    with ClipReader(clip) as reader:
        info = reader.info
    with ClipWriter(
        target,
        info,
        vcodec=out.vcodec or None,
        crf=out.crf,
        preset=out.preset or None,
        overwrite=True,
    ) as writer:
        for batch in batches:
            writer.write(batch)


def stage_uses(
    clip: Path, folder: Path, settings: Settings, models: Models, limit: int
) -> tuple[dict[str, DeviceUse], int]:
    """What a CUDA device does in each stage, and the frames that this was seen on."""
    uses: dict[str, DeviceUse] = {}
    seen = min(limit or PROFILED_FRAMES, PROFILED_FRAMES)
    _, report = stage_costs(clip, folder, settings, models, seen, uses)
    return uses, report.frames_in


def stage_costs(
    clip: Path,
    folder: Path,
    settings: Settings,
    models: Models,
    limit: int,
    uses: dict[str, DeviceUse] | None = None,
) -> tuple[dict[str, Spent], RunReport]:
    """Seconds of each of `STAGES` when nothing else runs, and what the stages counted.

    Every stage sees all frames before the next begins, so that no stage waits for another.

    Args:
        folder: scratch space for the encoded result.
        limit: frames held in memory, at least; 0 for the whole clip.
        uses: is told what a CUDA device does in each stage, where it is given; that slows all.
    """
    spent = {name: Spent() for name in STAGES}
    device = models.device.type

    def timed(name: str, work: Callable[[], Held]) -> Held:
        with spent[name].running(device):
            if uses is None:
                return work()
            with device_use(models.device) as uses[name]:
                return work()

    report = RunReport()
    with ClipReader(clip, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        batches = timed("decode", lambda: list(first_frames(reader, limit)))
        staged = stage_clip(settings, models, reader.info, report)
    stages = staged.stages
    found = timed("find faces", lambda: list(stages.find_faces(batches)))
    aligned = timed("align", lambda: [(batch, stages.align(batch, f)) for batch, f in found])
    full = [
        (batch, crops, around) for batch, crops, around in with_neighbours(aligned, stages.reach)
    ]
    full = [held for held in full if len(held[1])]
    masks = timed("parse", lambda: [stages.parse(batch, crops) for batch, crops, _ in full])
    conditions = [stages.condition(batch, crops) for batch, crops, _ in full]
    verdicts = timed(
        "inspect",
        lambda: [
            stages.inspect(batch, crops, mask, condition, around)
            for (batch, crops, around), mask, condition in zip(full, masks, conditions, strict=True)
        ],
    )
    restored = timed(
        "reconstruct",
        lambda: [
            stages.reconstruct(batch, crops, mask, condition, verdict, around)
            for (batch, crops, around), mask, condition, verdict in zip(
                full, masks, conditions, verdicts, strict=True
            )
        ],
    )
    translated = timed(
        "translate",
        lambda: [
            stages.translate(*held) for held in zip(restored, conditions, verdicts, strict=True)
        ],
    )
    pasted = timed(
        "paste",
        lambda: [
            stages.paste(batch, crops, images, mask)
            for (batch, crops, _), images, mask in zip(full, translated, masks, strict=True)
        ],
    )
    done = {batch.first_index: batch for batch in pasted}
    whole = [done.get(batch.first_index, batch) for batch in batches]
    timed("encode", lambda: encode(clip, folder / "stages.mkv", whole, settings))
    report.frames_in = sum(map(len, batches))
    report.faces = sum(len(crops) for _, crops, _ in full)
    staged.count_into(report)
    return spent, report


def frame_bytes(batch: FrameBatch) -> int:
    """Bytes of one frame's planes."""
    return sum(int(plane[0].nbytes) for plane in batch.planes)


def copied_bytes(before: Sequence[FrameBatch], after: Sequence[FrameBatch]) -> int:
    """Bytes of planes that are new in `after`: those that share no memory with `before`."""
    total = 0
    for old, new in zip(before, after, strict=True):
        for a, b in zip(old.planes, new.planes, strict=True):
            total += 0 if np.shares_memory(a, b) else int(b.nbytes)
    return total
