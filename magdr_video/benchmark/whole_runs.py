"""Whole runs of a clip from file to file, as `defend` makes them, with all that is counted."""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from magdr_video.benchmark.stage_costs import copied_bytes, encode, first_frames, frame_bytes
from magdr_video.benchmark.stopwatch import MemoryTrace, Spent, forget_peak, peak_memory
from magdr_video.delivery.translation import (
    FINISHED_BATCHES,
    PREFETCHED_BATCHES,
    SCOUTED_BATCHES,
    TIDIED_BATCHES,
)
from magdr_video.device import batch_size, give_back_memory
from magdr_video.loading import Models
from magdr_video.pipeline import run
from magdr_video.settings import Settings
from magdr_video.staging import stage_clip
from magdr_video.types import FrameBatch, RunReport
from magdr_video.video.prefetch import prefetch
from magdr_video.video.reader import OPENING, ClipReader

WARM_FRAMES = 64
"""Frames after which the caches count as warm: a track's first verdict and choice are behind."""


@dataclass
class Mark:
    """How far a run was at one frame."""

    frames: int = 0
    wall: float = 0.0
    core: float = 0.0
    faces: int = 0
    passes: int = 0


@dataclass
class PipelineRun:
    """One pass over a clip from file to file."""

    spent: Spent = field(default_factory=Spent)
    report: RunReport = field(default_factory=RunReport)
    memory: MemoryTrace = field(default_factory=MemoryTrace)
    first_frame: float = 0.0
    """Seconds until the first frame was ready to be encoded, the weights being loaded."""
    first_core: float = 0.0
    """Processor seconds until then, which hardly depend on what else a machine does."""
    copied: int = 0
    """Bytes of planes written anew on the way: out of the decoder, pasted, into the encoder."""
    raw: int = 0
    """Bytes of the frames themselves, once."""
    refined: int = 0
    """Faces that went through MTCNN's last net alone."""
    peak: float = 0.0
    """MiB of memory at most."""
    marks: list[Mark] = field(default_factory=list)
    """After each batch."""

    @property
    def frames(self) -> int:
        """Frames that came out."""
        return self.report.frames_out

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.frames / self.spent.wall if self.spent.wall else 0.0

    def mark(self) -> None:
        """Note how far the run is."""
        wall, core = time.perf_counter(), time.process_time()
        held = self.report
        self.marks.append(Mark(held.frames_out, wall, core, held.faces, held.generator_passes))

    def warm(self) -> Mark | None:
        """What was added after the caches were warm; None where the clip is too short."""
        begun = [mark for mark in self.marks if mark.frames >= WARM_FRAMES]
        if len(begun) < 2:
            return None
        a, b = begun[0], begun[-1]
        return Mark(
            b.frames - a.frames,
            b.wall - a.wall,
            b.core - a.core,
            b.faces - a.faces,
            b.passes - a.passes,
        )


def undefended(settings: Settings, models: Models) -> tuple[Settings, Models]:
    """The same run without detector and reconstructor."""
    detection = dataclasses.replace(settings.detection, enabled=False)
    repair = dataclasses.replace(settings.reconstruction, enabled=False)
    plain = dataclasses.replace(settings, detection=detection, reconstruction=repair)
    return plain, dataclasses.replace(models, table=None)


def transcode(clip: Path, folder: Path, settings: Settings, limit: int) -> PipelineRun:
    """Decode and encode with nothing in between."""
    out = PipelineRun()
    with (
        out.spent.running(),
        ClipReader(clip, batch=batch_size(settings.run.batch, settings.run.device)) as reader,
    ):
        ahead = prefetch(first_frames(reader, limit), PREFETCHED_BATCHES)
        encode(clip, folder / "transcode.mkv", _counted(ahead, out), settings)
    return out


def _counted(batches: Iterable[FrameBatch], out: PipelineRun) -> Iterator[FrameBatch]:
    for batch in batches:
        out.report.frames_out += len(batch)
        raw = frame_bytes(batch) * len(batch)
        out.raw, out.copied = out.raw + raw, out.copied + 2 * raw
        yield batch


def whole(
    clip: Path,
    folder: Path,
    settings: Settings,
    models: Models,
    limit: int,
    *,
    encoded: bool = True,
) -> PipelineRun:
    """The pipeline as `defend` runs it, or the same without its encoder."""
    out = PipelineRun()
    began, core = time.perf_counter(), time.process_time()
    # What an earlier pass left with the allocator is none of this one's.
    give_back_memory()
    forget_peak()
    size = batch_size(settings.run.batch, settings.run.device)
    reading = ClipReader(clip, batch=size, opening=OPENING)
    with out.spent.running(models.device.type), reading as held:
        staged = stage_clip(settings, models, held.info, out.report)
        source: list[FrameBatch] = []

        def remembered() -> Iterator[FrameBatch]:
            ahead = prefetch(first_frames(held, limit), PREFETCHED_BATCHES)
            for batch in prefetch(staged.scouted(ahead), SCOUTED_BATCHES):
                source.append(batch)
                yield batch

        def results() -> Iterator[FrameBatch]:
            for batch in run(remembered(), staged.stages, out.report, strict=True):
                out.first_frame = out.first_frame or time.perf_counter() - began
                out.first_core = out.first_core or time.process_time() - core
                raw = frame_bytes(batch) * len(batch)
                out.raw += raw
                out.copied += 2 * raw + copied_bytes([source.pop(0)], [batch])
                out.report.frames_out += len(batch)
                out.memory.note(out.report.frames_out)
                yield batch
                if len(out.marks) % TIDIED_BATCHES == 0:
                    give_back_memory()
                out.mark()

        finished = prefetch(results(), FINISHED_BATCHES, kept_for="stages")
        if encoded:
            encode(clip, folder / "whole.mkv", finished, settings)
        else:
            deque(finished, maxlen=0)
    staged.count_into(out.report)
    out.refined, out.peak = staged.finder.refined, peak_memory()
    return out
