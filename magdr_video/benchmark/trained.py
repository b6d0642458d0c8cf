"""The baselines of a scene, trained on its training faces; by itself a training of all of them.

    magdr-video train baselines --out magdr-benchmark

The weights of baselines are not shipped: they belong to one generator, one attack and one list of
faces. A benchmark with the same --out, --data and --share (there --baseline-training) finds what
this has trained, and trains what is missing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from magdr_video.baselines.preparation import is_prepared, prepare_detector, prepare_reconstructor
from magdr_video.baselines.protocol import (
    DetectorBaseline,
    ReconstructorBaseline,
    TrainedReconstructor,
)
from magdr_video.baselines.registry import DETECTORS, RECONSTRUCTORS
from magdr_video.benchmark.cells import CellStore
from magdr_video.benchmark.plan import Plan, for_gpu, with_counts
from magdr_video.benchmark.scene import Scene, make_scenes
from magdr_video.device import choose_device, set_threads
from magdr_video.errors import SettingsError, nearest
from magdr_video.progress import say
from magdr_video.settings import TASKS

TRAINING = {
    "metzen": 2700.0,
    "magnet": 1000.0,
    "otd": 80_000.0,
    "adversarial-training": 67_000.0,
}
"""Generator passes that a whole training takes as long as, at 128 px on one core."""
OTHER_TRAINING = 12_000.0
"""The same of those that learn from pictures alone."""

FOLDER = "baselines"
"""Of trained states, below that of the benchmark."""


def trained_detector(scene: Scene, name: str) -> DetectorBaseline:
    """The named detector, trained or read from the benchmark's folder."""
    plan = scene.plan
    cache, share = plan.out / FOLDER, plan.baseline_share
    # Rows are measured without gradients; what learns needs them.
    with torch.enable_grad():
        return prepare_detector(name, scene.subject.translator, scene.source, cache, share=share)


def untaught(scene: Scene) -> list[str]:
    """Detectors that have yet to learn, for want of a state in the benchmark's folder."""
    plan, translator = scene.plan, scene.subject.translator
    cache, share = plan.out / FOLDER, plan.baseline_share
    return [
        name
        for name in DETECTORS
        if name not in plan.skipped
        and not is_prepared(name, translator, scene.source, cache, share=share)
    ]


def trained_reconstructor(scene: Scene, name: str) -> ReconstructorBaseline:
    """The named reconstructor, trained or read from the benchmark's folder where it learns."""
    plan = scene.plan
    held = scene.source if name in learning_reconstructors(scene) else None
    cache, share = plan.out / FOLDER, plan.baseline_share
    with torch.enable_grad():
        return prepare_reconstructor(name, scene.subject.translator, held, cache, share=share)


def learning_reconstructors(scene: Scene) -> list[str]:
    """Those that are trained."""
    translator = scene.subject.translator
    kept = scene.plan.kept(RECONSTRUCTORS)
    built = {name: RECONSTRUCTORS[name](translator) for name in kept}
    return [name for name, held in built.items() if isinstance(held, TrainedReconstructor)]


def chosen(scene: Scene, only: str) -> list[str]:
    """The baselines that learn, or those of them that `only` names, comma-separated.

    Raises:
        SettingsError: a name is unknown, or that baseline learns nothing.
    """
    learning = [*DETECTORS, *learning_reconstructors(scene)]
    wanted = [name.strip() for name in only.split(",") if name.strip()] or learning
    for name in wanted:
        if name not in learning:
            hint = nearest(name, learning)
            raise SettingsError(f"'{name}' is no baseline that learns", hint=hint)
    return wanted


def train(scene: Scene, only: str = "") -> Sequence[str]:
    """Train, or find trained, each baseline; a line for each with its seconds."""
    lines = []
    for name in chosen(scene, only):
        began = time.monotonic()
        (trained_detector if name in DETECTORS else trained_reconstructor)(scene, name)
        lines.append(f"{scene.task}, {name}: {time.monotonic() - began:.1f} s")
        say(lines[-1])
    return lines


def main() -> None:
    """Command line of the training."""
    parser = argparse.ArgumentParser(description="Train the benchmark's baselines.")
    parser.add_argument("--tasks", default=",".join(TASKS), help="separated by commas")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--dataset", default="synthetic", help="as for benchmark")
    parser.add_argument("--out", type=Path, default=Path("magdr-benchmark"), help="its folder")
    parser.add_argument("--share", type=float, default=1.0, help="of the training steps")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--count", action="append", default=[], help="as for benchmark")
    parser.add_argument("--only", default="", help="names, comma-separated")
    given = parser.parse_args()
    plan = Plan(
        data=given.data,
        dataset=given.dataset,
        out=given.out,
        tasks=tuple(word.strip() for word in given.tasks.split(",")),
        device=given.device,
    )
    plan = for_gpu(plan) if choose_device(given.device).type == "cuda" else plan
    plan = with_counts(replace(plan, baseline_share=given.share), given.count)
    set_threads()
    for scene in make_scenes(plan, CellStore(plan.out / "cells")).values():
        train(scene, given.only)


if __name__ == "__main__":
    main()
