"""How fast is a run, what limits it, and what does the defence cost? (FIELD 7)"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from magdr_video.benchmark.device_use import device_use
from magdr_video.benchmark.document import machine, source_commit
from magdr_video.benchmark.landmarks import landmark_errors
from magdr_video.benchmark.precision_costs import precision_costs
from magdr_video.benchmark.shortcuts import shortcut_costs, translated
from magdr_video.benchmark.stage_costs import (
    FACE_STAGES,
    PROFILED_FRAMES,
    stage_costs,
    stage_uses,
)
from magdr_video.benchmark.stopwatch import Spent
from magdr_video.benchmark.whole_runs import (
    WARM_FRAMES,
    PipelineRun,
    transcode,
    undefended,
    whole,
)
from magdr_video.device import describe
from magdr_video.errors import InputError
from magdr_video.loading import Models
from magdr_video.provenance import library_versions, sha256_of
from magdr_video.runs import crops_of
from magdr_video.settings import Settings, flatten
from magdr_video.video.prefetch import prefetch

Held = TypeVar("Held")

WARM_UP = 32
"""Frames, rounded up to batches, that run before anything is measured."""

DEVICE_WARM_UP = 144
"""The same on a CUDA device, whose libraries plan each new shape: batches of all sizes."""

LANDMARK_FRAMES = 96
"""Frames at most on which landmarks are compared with those of every frame."""


@dataclass(frozen=True)
class SpeedPlan:
    """What is measured of each clip."""

    limit: int = 0
    """Frames of the clip that are used, rounded up to whole batches; 0 is all."""
    quality: int = 0
    """Frames on which each shortcut is compared with doing without it; 0 for none."""
    clean: Path | None = None
    """The clip before it was protected, whose translation is what should come out; the clip itself
    where None."""
    presets: tuple[str, ...] = ()
    """Further presets of the encoder to run with."""
    landmarks: bool = True
    """Compare landmarks with those of every frame."""


def measure_clip(
    clip: Path,
    settings: Settings,
    models: Models,
    plan: SpeedPlan,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """All figures of one clip as JSON values, ratios first."""
    limit, quality = plan.limit, plan.quality
    plain_settings, plain_models = undefended(settings, models)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # The first pass of each network pays for memory and kernels that later ones find.
        is_cpu = models.device.type == "cpu"
        whole(clip, folder, settings, models, WARM_UP if is_cpu else DEVICE_WARM_UP)
        say(f"{clip.name}: plain transcode")
        bare = transcode(clip, folder, settings, limit)
        say(f"{clip.name}: undefended")
        plain = whole(clip, folder, plain_settings, plain_models, limit)
        say(f"{clip.name}: defended")
        defended = whole(clip, folder, settings, models, limit)
        say(f"{clip.name}: defended, without an encoder")
        others = {
            "defended, not encoded": whole(clip, folder, settings, models, limit, encoded=False)
        }
        for preset in plan.presets:
            say(f"{clip.name}: with the encoder's preset {preset}")
            output = dataclasses.replace(settings.output, preset=preset)
            faster = dataclasses.replace(settings, output=output)
            others[f"transcode, {preset}"] = transcode(clip, folder, faster, limit)
            others[f"defended, {preset}"] = whole(clip, folder, faster, models, limit)
        say(f"{clip.name}: each stage alone")
        stages, _ = _in_the_stages_thread(
            lambda: stage_costs(clip, folder, settings, models, limit)
        )
        found = {}
        if plan.landmarks:
            say(f"{clip.name}: landmarks against those of every frame")
            followed = min(limit or LANDMARK_FRAMES, LANDMARK_FRAMES)
            found = landmark_errors(clip, settings, models, followed).values()
        device = {}
        if models.device.type == "cuda":
            say(f"{clip.name}: what the device does")
            device = device_figures(clip, folder, settings, models, limit)
        shortcuts = {}
        if quality:
            say(f"{clip.name}: what the shortcuts cost")
            wanted = translated(plan.clean or clip, plain_settings, plain_models, quality)
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
            **{name: _run(held) for name, held in others.items()},
        },
        "memory": {
            "frames": defended.memory.frames,
            "mib": [round(value, 1) for value in defended.memory.mib],
            "slope_mib_per_1000_frames": defended.memory.slope,
            "peak_mib": round(defended.peak, 1),
        },
    }


def _in_the_stages_thread(work: Callable[[], Held]) -> Held:
    """Work in the thread in which the stages of whole runs were: it has a GPU's plans."""

    def once() -> Iterator[Held]:
        yield work()

    (out,) = prefetch(once(), 1, kept_for="stages")
    return out


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
    uses, frames = _in_the_stages_thread(lambda: stage_uses(clip, folder, settings, models, limit))
    costs = _in_the_stages_thread(
        lambda: precision_costs(_some_crops(clip, settings, models), models)
    )
    seen = min(limit or PROFILED_FRAMES, PROFILED_FRAMES)
    with device_use(models.device) as use:
        held = whole(clip, folder, settings, models, seen)
    return {
        "frames": frames,
        "whole run": use.values(held.frames),
        "stages": {name: one.values(frames) for name, one in uses.items()},
        "precision": {name: dataclasses.asdict(cost) for name, cost in costs.items()},
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


def _run(held: PipelineRun) -> dict[str, float | None]:
    warm = held.warm()
    return {
        **_stage(held.spent, held.frames),
        "frames_per_second_warm": warm.frames / warm.wall if warm and warm.wall else None,
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
