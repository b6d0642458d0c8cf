"""How fast is a run, what limits it, and what does the defence cost? (FIELD 7)"""

from __future__ import annotations

import dataclasses
import math
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from magdr_video.benchmark.device_use import device_use
from magdr_video.benchmark.document import machine, source_commit
from magdr_video.benchmark.landmarks import landmark_errors
from magdr_video.benchmark.precision_costs import precision_costs
from magdr_video.benchmark.shortcuts import shortcut_costs, translated
from magdr_video.benchmark.stage_costs import (
    FACE_STAGES,
    PROFILED_FRAMES,
    copied_bytes,
    encode,
    first_frames,
    frame_bytes,
    stage_costs,
    stage_uses,
)
from magdr_video.benchmark.stopwatch import MemoryTrace, Spent, forget_peak, peak_memory
from magdr_video.delivery.translation import (
    FINISHED_BATCHES,
    PREFETCHED_BATCHES,
    TIDIED_BATCHES,
)
from magdr_video.device import batch_size, describe, give_back_memory
from magdr_video.errors import InputError
from magdr_video.loading import Models
from magdr_video.pipeline import run
from magdr_video.provenance import library_versions, sha256_of
from magdr_video.runs import crops_of
from magdr_video.settings import Settings, flatten
from magdr_video.staging import stage_clip
from magdr_video.types import FrameBatch, RunReport
from magdr_video.video.prefetch import prefetch
from magdr_video.video.reader import OPENING, ClipReader

AHEAD, FINISHED = PREFETCHED_BATCHES, FINISHED_BATCHES
"""Batches decoded ahead, and finished ahead of the encoder, as in a run."""


WARM_UP = 32
"""Frames, rounded up to batches, that run before anything is measured."""


GIVE_BACK_EVERY = TIDIED_BATCHES
"""Batches after which free memory goes back to the system, as in a run."""

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
        ahead = prefetch(first_frames(reader, limit), AHEAD)
        encode(clip, folder / "transcode.mkv", _counted(ahead, out), settings)
    return out


def _counted(batches: Iterable[FrameBatch], out: PipelineRun) -> Iterator[FrameBatch]:
    for batch in batches:
        out.report.frames_out += len(batch)
        raw = frame_bytes(batch) * len(batch)
        out.raw, out.copied = out.raw + raw, out.copied + 2 * raw
        yield batch


def whole(clip: Path, folder: Path, settings: Settings, models: Models, limit: int) -> PipelineRun:
    """The pipeline as `defend` runs it."""
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
            for batch in prefetch(first_frames(held, limit), AHEAD):
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
                if len(out.marks) % GIVE_BACK_EVERY == 0:
                    give_back_memory()
                out.mark()

        encode(clip, folder / "whole.mkv", prefetch(results(), FINISHED), settings)
    staged.count_into(out.report)
    out.refined, out.peak = staged.finder.refined, peak_memory()
    return out


def measure_clip(
    clip: Path,
    settings: Settings,
    models: Models,
    *,
    limit: int = 0,
    quality: int = 0,
    clean: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """All figures of one clip as JSON values, ratios first.

    Args:
        limit: frames of the clip that are used, rounded up to whole batches; 0 is all.
        quality: frames on which each shortcut is compared with doing without it; 0 for none.
        clean: the clip before it was protected, whose translation is what should come out; the
            clip itself where None.
    """
    plain_settings, plain_models = undefended(settings, models)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # The first pass of each network pays for memory and kernels that later ones find.
        whole(clip, folder, settings, models, WARM_UP)
        say(f"{clip.name}: plain transcode")
        bare = transcode(clip, folder, settings, limit)
        say(f"{clip.name}: undefended")
        plain = whole(clip, folder, plain_settings, plain_models, limit)
        say(f"{clip.name}: defended")
        defended = whole(clip, folder, settings, models, limit)
        say(f"{clip.name}: each stage alone")
        stages, _ = stage_costs(clip, folder, settings, models, limit)
        say(f"{clip.name}: landmarks against those of every frame")
        found = landmark_errors(clip, settings, models, limit).values()
        device = {}
        if models.device.type == "cuda":
            say(f"{clip.name}: what the device does")
            device = device_figures(clip, folder, settings, models, limit)
        shortcuts = {}
        if quality:
            say(f"{clip.name}: what the shortcuts cost")
            wanted = translated(clean or clip, plain_settings, plain_models, quality)
            shortcuts = shortcut_costs(clip, settings, models, quality, wanted)
    return {
        "ratios": ratios(bare, plain, defended, stages),
        "clip": clip.name,
        "sha256": sha256_of(clip),
        "frames": defended.frames,
        "faces": defended.report.faces,
        "faces_perturbed": defended.report.faces_perturbed,
        "faces_per_second": face_rates(stages, defended.report.faces),
        "device": device,
        "passes": passes(defended),
        "landmarks": found,
        "shortcuts": shortcuts,
        "stages": {name: _stage(spent, defended.frames) for name, spent in stages.items()},
        "runs": {
            "transcode": _run(bare),
            "undefended": _run(plain),
            "defended": _run(defended),
        },
        "memory": {
            "frames": defended.memory.frames,
            "mib": [round(value, 1) for value in defended.memory.mib],
            "slope_mib_per_1000_frames": defended.memory.slope,
            "peak_mib": round(defended.peak, 1),
        },
    }


def face_rates(stages: dict[str, Spent], faces: int) -> dict[str, float]:
    """Faces a second of the face stages one after another, each alone."""
    known = sum(stages[name].wall for name in FACE_STAGES)
    return {
        "found already": faces / max(1e-9, known),
        "with finding them": faces / max(1e-9, known + stages["find faces"].wall),
    }


def device_figures(
    clip: Path, folder: Path, settings: Settings, models: Models, limit: int
) -> dict[str, Any]:
    """What a CUDA device does in each stage alone and in the whole run, on the clip's beginning."""
    uses, frames = stage_uses(clip, folder, settings, models, limit)
    seen = min(limit or PROFILED_FRAMES, PROFILED_FRAMES)
    with device_use(models.device) as use:
        held = whole(clip, folder, settings, models, seen)
    return {
        "frames": frames,
        "whole run": use.values(held.frames),
        "stages": {name: one.values(frames) for name, one in uses.items()},
        "precision": {
            name: dataclasses.asdict(cost)
            for name, cost in precision_costs(_some_crops(clip, settings, models), models).items()
        },
        "peak_memory_mib": _device_peak(models),
    }


def _some_crops(clip: Path, settings: Settings, models: Models) -> Tensor:
    """The crops of the clip's first batch with a face."""
    for _, crops in crops_of(clip, settings, models):
        if len(crops):
            return crops.data
    raise InputError(f"{clip} shows no face", hint="measure a clip with faces")


def _device_peak(models: Models) -> float:
    import torch

    return float(torch.cuda.max_memory_allocated(models.device)) / (1 << 20)


def ratios(
    bare: PipelineRun, plain: PipelineRun, defended: PipelineRun, stages: dict[str, Spent]
) -> dict[str, float]:
    """What hardly depends on the machine."""
    slowest = max(spent.wall for spent in stages.values())
    alone = sum(spent.core for spent in stages.values())
    out = {
        "defended / undefended": defended.rate / plain.rate,
        "core-seconds, undefended / defended": plain.spent.core / defended.spent.core,
    }
    begun, ours = plain.warm(), defended.warm()
    if begun and ours:
        out |= {
            f"defended / undefended, after frame {WARM_FRAMES}": begun.wall / ours.wall,
            f"core-seconds, undefended / defended, after frame {WARM_FRAMES}": (
                begun.core / ours.core
            ),
        }
    return out | {
        "undefended / transcode": plain.rate / bare.rate,
        "defended / slowest stage alone": slowest / defended.spent.wall,
        "core-seconds, defended / sum of stages alone": defended.spent.core / alone,
        "bytes copied / bytes of the frames": defended.copied / defended.raw,
    }


def passes(held: PipelineRun) -> dict[str, float]:
    """Costly calls of the defended run."""
    report = held.report
    faces, frames = max(1, report.faces), max(1, report.frames_out)
    out = {"generator passes a face-frame": report.generator_passes / faces}
    warm = held.warm()
    if warm and warm.faces:
        name = f"generator passes a face-frame, after frame {WARM_FRAMES}"
        out[name] = warm.passes / warm.faces
    return out | {
        "parser passes a face-frame": report.parser_passes / faces,
        "MTCNN passes a frame": report.detector_passes / frames,
        "looks of MTCNN's last net a face-frame": held.refined / faces,
        "searches a face-frame": report.searches / faces,
        "inspections a face-frame": report.faces_inspected / faces,
    }


def _stage(spent: Spent, frames: int) -> dict[str, float]:
    return {
        "frames_per_second": frames / max(1e-9, spent.wall),
        "core_ms_per_frame": 1000 * spent.core / max(1, frames),
        "wall_ms_per_frame": 1000 * spent.wall / max(1, frames),
    }


def _run(held: PipelineRun) -> dict[str, float]:
    return {
        **_stage(held.spent, held.frames),
        "first_frame_seconds": held.first_frame,
        "first_frame_core_seconds": held.first_core,
        "bytes_copied_per_frame": held.copied / max(1, held.frames),
    }


def speed_document(
    clips: Sequence[dict[str, Any]], settings: Settings, models: Models
) -> dict[str, Any]:
    """The document of a speed benchmark, ratios first."""
    held = {
        "ratios": {clip["clip"]: clip["ratios"] for clip in clips},
        "schema": 1,
        "benchmark": "speed",
        "task": settings.task,
        "clips": list(clips),
        "machine": machine(),
        "device": describe(models.device),
        "settings": flatten(settings),
        "weights": dict(models.weights),
        "libraries": library_versions(),
        "commit": source_commit(),
    }
    return dict(in_json(held))


def in_json(value: Any) -> Any:
    """The same value without numbers that JSON has no word for; they become null."""
    if isinstance(value, Mapping):
        return {key: in_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [in_json(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
