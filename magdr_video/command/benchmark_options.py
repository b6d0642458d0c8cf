"""The options of `benchmark`, and the plan that they ask for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from magdr_video.errors import SettingsError, UsageError, nearest
from magdr_video.settings import TASKS

if TYPE_CHECKING:
    from magdr_video.benchmark.plan import Plan

DATA = typer.Option(
    Path("../shared/data"), "--data", envvar="MAGDR_DATA", help="Folder of the face data."
)
DATASET = typer.Option(
    "synthetic",
    "--dataset",
    help="synthetic, celeba, faceforensics, folder or drawn (its figures are smoke).",
)
OUT = typer.Option(Path("magdr-benchmark"), "--out", "-o", help="Folder for tables and figures.")
BENCH_TASKS = typer.Option(",".join(TASKS), "--tasks", help="Tasks, separated by commas.")
ATTACKS = typer.Option("pgd,cw", "--attacks", help="Attacks, separated by commas.")
CODECS = typer.Option(
    "23", "--codecs", help="H.264 rate factors for codec rows, such as 18,28; '' for none."
)
FACES = typer.Option(
    None, "--faces", help="Held-out faces a task; 12 without it, 50 on a GPU.", min=2
)
GENERATOR = typer.Option(
    None, "--generator", help="Weights for a single task, with --set for their tables."
)
SET = typer.Option([], "--set", help="key=value, as for defend, such as detection.table=FILE.")
COUNT = typer.Option(
    [],
    "--count",
    help="Another count of the plan as name=value, such as adaptive_steps=100, adaptive_faces, "
    "purifier_faces, fitting_faces or cw_steps; a GPU has larger ones than a CPU.",
)
QUICK = typer.Option(False, "--quick", help="A run of minutes that shows whether all works.")
TRAINING = typer.Option(
    None,
    "--baseline-training",
    help="Share of their training that baselines get; all (1) on a GPU, 0.05 on a CPU.",
)
SKIP = typer.Option(
    "",
    "--skip",
    help="Baselines that are left out, such as otd, with commas; 'baselines' for all of them.",
)
DEVICE = typer.Option("auto", "--device", help="auto, cpu, cuda or cuda:N.")
SEED = typer.Option(None, "--seed", help="Seed of everything random.", min=0)
EPSILON = typer.Option(None, "--epsilon", help="Bound of the attacks, images in [-1, 1].")
KINDS = typer.Option(
    "detection,reconstruction,adaptive,purifiers", "--kinds", help="Those of them, with commas."
)
RESULTS = typer.Option(None, "--write-results", help="Write a page of all results found in --out.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress, no tables.")

LEAST_FRAMES = 3
"""Of a clip: fewer have no neighbours to average."""
FIRST_FRAMES = typer.Option(
    17, "--frames", help=f"First frames of each clip, {LEAST_FRAMES} or more; 0 is all.", min=0
)
RUNS = typer.Option(
    False,
    "--runs",
    help="Whole runs as well: passes, flicker, with and without the cache, and clean input.",
)
RUNS_ONLY = typer.Option(False, "--runs-only", help="Whole runs, and no rows of each repair.")
PROTECTED = typer.Option(
    None, "--protected", help="The one clip as protect wrote it, so that it need not be done again."
)


OPTIONS: dict[str, tuple[Any, Any]] = {
    "data": (Path, DATA),
    "dataset": (str, DATASET),
    "out": (Path, OUT),
    "tasks": (str, BENCH_TASKS),
    "attacks": (str, ATTACKS),
    "faces": (int | None, FACES),
    "count": (list[str], COUNT),
    "codecs": (str, CODECS),
    "generator": (str | None, GENERATOR),
    "overrides": (list[str], SET),
    "kinds": (str, KINDS),
    "quick": (bool, QUICK),
    "device": (str, DEVICE),
    "seed": (int | None, SEED),
    "epsilon": (float | None, EPSILON),
    "baseline_training": (float | None, TRAINING),
    "skip": (str, SKIP),
    "write_results": (Path | None, RESULTS),
    "quiet": (bool, QUIET),
}
"""Type and declaration of every option of the benchmarks on faces."""

NOT_FOR = {
    "detection": ("codecs", "kinds"),
    "reconstruction": ("kinds",),
    "adaptive": ("attacks", "codecs", "kinds"),
    "purifiers": ("attacks", "codecs", "kinds"),
    "all": (),
}
"""The benchmarks on faces, and the options that say nothing to them."""

ABOUT = {
    "detection": "Table 1: detectors, ablations and baselines against each attack.",
    "reconstruction": "Table 2, Figure 4: reconstructors, transforms, chains, oracle, ablations.",
    "adaptive": "Figure 3: F1 over the iterations of an attack that knows the defence.",
    "purifiers": "Every transform, chain and reconstructor against every attack.",
    "all": "All of these, one after another; what they share is computed once.",
}


def plan_of(
    *,
    data: Path,
    dataset: str,
    out: Path,
    tasks: str,
    faces: int | None,
    count: Sequence[str],
    generator: str | None,
    overrides: Sequence[str],
    quick: bool,
    device: str,
    seed: int | None,
    epsilon: float | None,
    baseline_training: float | None,
    attacks: str = "pgd",
    skip: str = "",
) -> Plan:
    """What the options of a benchmark on faces ask for.

    Raises:
        MagdrError: one of them is not allowed.
    """
    from magdr_video.benchmark import plan as plans
    from magdr_video.device import choose_device

    plan = plans.Plan(
        data=data,
        dataset=dataset,
        out=out,
        tasks=words(tasks),
        attacks=words(attacks),
        skipped=_known_baselines(skip),
        generator=generator or "",
        overrides=tuple(overrides),
        device=device,
    )
    changes = {
        "faces": faces,
        "seed": seed,
        "epsilon": epsilon,
        "baseline_share": baseline_training,
    }
    if quick:
        plan = plans.quick(plan)
    elif choose_device(device).type == "cuda":
        plan = plans.for_gpu(plan)
    given: dict[str, Any] = {name: held for name, held in changes.items() if held is not None}
    return plans.with_counts(replace(plan, **given), count)


def _known_baselines(text: str) -> tuple[str, ...]:
    from magdr_video.baselines.registry import ALL, BASELINES

    if ALL in words(text):
        return BASELINES
    for name in words(text):
        if name not in BASELINES:
            raise SettingsError(f"--skip '{name}'", hint=nearest(name, (*BASELINES, ALL)))
    return words(text)


def words(text: str) -> tuple[str, ...]:
    """Words that are separated by commas."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def rate_factors(text: str) -> tuple[int, ...]:
    """What `--codecs` asks for.

    Raises:
        UsageError: one is no number. SettingsError: one is out of range.
    """
    try:
        found = tuple(int(word) for word in words(text))
    except ValueError as error:
        raise UsageError(f"--codecs '{text}'", hint="constant rate factors, such as 23") from error
    if any(not 0 <= crf <= 51 for crf in found):
        raise SettingsError(f"--codecs {text} is out of range", hint="H.264 takes 0 .. 51")
    return found
