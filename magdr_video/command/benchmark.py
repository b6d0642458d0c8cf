"""`benchmark KIND`: the paper's tables and figures on held-out faces, and the speed on clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from magdr_video.command import options
from magdr_video.errors import OutputError, SettingsError, UsageError, nearest
from magdr_video.progress import print_table, say
from magdr_video.settings import TASKS

if TYPE_CHECKING:
    from magdr_video.benchmark.plan import Plan
    from magdr_video.benchmark.table import Table

app = typer.Typer(
    help="Measure detection, reconstruction, adaptive attacks, purifiers and speed.",
    no_args_is_help=True,
)

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
    "", "--skip", help="Detectors that learn and are left out, such as otd, with commas."
)
DEVICE = typer.Option("auto", "--device", help="auto, cpu, cuda or cuda:N.")
SEED = typer.Option(None, "--seed", help="Seed of everything random.", min=0)
EPSILON = typer.Option(None, "--epsilon", help="Bound of the attacks, images in [-1, 1].")
KINDS = typer.Option(
    "detection,reconstruction,adaptive,purifiers", "--kinds", help="Those of them, with commas."
)
RESULTS = typer.Option(None, "--write-results", help="Write a page of all results found in --out.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress, no tables.")


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


def _add(kind: str) -> None:
    """Register a benchmark with the options that it has."""

    def run(**given: Any) -> None:
        _measure(kind, **given)

    names = [name for name in OPTIONS if name not in NOT_FOR[kind]]
    run.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(
                name, Parameter.KEYWORD_ONLY, default=OPTIONS[name][1], annotation=OPTIONS[name][0]
            )
            for name in names
        ]
    )
    app.command(name=kind, help=ABOUT[kind])(run)


def _measure(
    kind: str,
    *,
    quiet: bool,
    codecs: str = "",
    kinds: str = "",
    write_results: Path | None = None,
    **asked: Any,
) -> None:
    plan, factors = _plan(**asked), _codecs(codecs)
    from magdr_video.benchmark import bench

    tell = _say(quiet)
    if kind == "all":
        bench.run_all(plan, tell, factors, lambda: _finish(plan.out, write_results), _words(kinds))
    else:
        _show(bench.PAGES[kind](bench.RUNS[kind](plan, tell, factors, None)), quiet)
        _finish(plan.out, write_results)


def _plan(
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
    from magdr_video.benchmark import plan as plans
    from magdr_video.device import choose_device

    plan = plans.Plan(
        data=data,
        dataset=dataset,
        out=out,
        tasks=_words(tasks),
        attacks=_words(attacks),
        skipped=_known_judges(skip),
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


def _known_judges(text: str) -> tuple[str, ...]:
    from magdr_video.baselines.registry import DETECTORS

    for name in _words(text):
        if name not in DETECTORS:
            raise SettingsError(f"--skip '{name}'", hint=nearest(name, DETECTORS))
    return _words(text)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _say(quiet: bool) -> Callable[[str], None]:
    return (lambda text: None) if quiet else say


def _show(tables: list[Table], quiet: bool) -> None:
    if not quiet:
        for table in tables:
            print_table(table.title, table.head, table.rows)


def _finish(out: Path, results: Path | None) -> None:
    if results is not None:
        from magdr_video.benchmark.results import write_results

        write_results(out, results)
        say(f"{results} written")


def _codecs(text: str) -> tuple[int, ...]:
    try:
        found = tuple(int(word) for word in _words(text))
    except ValueError as error:
        raise UsageError(f"--codecs '{text}'", hint="constant rate factors, such as 23") from error
    if any(not 0 <= crf <= 51 for crf in found):
        raise SettingsError(f"--codecs {text} is out of range", hint="H.264 takes 0 .. 51")
    return found


for _kind in NOT_FOR:
    _add(_kind)


@app.command()
def page(
    target: Path = typer.Argument(..., metavar="PAGE", help="Markdown file to write."),
    out: Path = OUT,
) -> None:
    """The page of results from the documents in --out, without measuring anything."""
    _finish(out, target)


@app.command()
def clips(
    sources: list[Path] = typer.Argument(..., metavar="CLIP...", help="Clips of one face each."),
    tasks: str = BENCH_TASKS,
    codecs: str = typer.Option("23", "--codecs", help="H.264 rate factors, such as 18,28."),
    frames: int = typer.Option(17, "--frames", help="First frames of each clip.", min=3),
    runs: bool = typer.Option(
        False, "--runs", help="Whole runs as well: passes, flicker, with and without the cache."
    ),
    device: str = DEVICE,
    seed: int | None = SEED,
    out: Path = OUT,
    overrides: list[str] = SET,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """What repairs of protected clips are worth, neighbouring frames included."""
    factors = _codecs(codecs)
    from magdr_video.benchmark import bench
    from magdr_video.benchmark.clip_cells import ClipPlan

    plan = ClipPlan(
        clips=tuple(_clips(sources)),
        tasks=_words(tasks),
        codecs=factors,
        frames=frames,
        overrides=tuple(overrides),
        device=device,
        runs=runs,
    )
    plan = plan if seed is None else replace(plan, seed=seed)
    _show(bench.PAGES["clips"](bench.run_clips(plan, out, _say(quiet))), quiet)
    _finish(out, write_results)


@app.command()
def speed(
    clips: list[Path] = typer.Argument(None, help="Clips; without any, a self-made one."),
    task: str = typer.Option("edit", "--task", "-t", help="replace, edit or reenact."),
    out: Path = OUT,
    frames: int = typer.Option(0, "--frames", help="Frames of each clip; 0 is all.", min=0),
    device: str | None = options.DEVICE,
    precision: str | None = options.PRECISION,
    overrides: list[str] = typer.Option([], "--set", help="key=value, as for defend."),
    quality: int = typer.Option(
        0, "--quality", help="Compare so many frames with a run without each shortcut.", min=0
    ),
    clean: Path | None = typer.Option(
        None, "--clean", help="--quality: the one clip before it was protected, for PSNR(O)."
    ),
    presets: str = typer.Option(
        "", "--encoder-presets", help="Run with these as well, such as veryfast."
    ),
    variants: str = typer.Option(
        "", "--variants", help="Made of each clip and measured too: 1080p, two-faces."
    ),
    landmarks: bool = typer.Option(
        True, help="Compare landmarks with those of a search in every frame."
    ),
    plot: bool = typer.Option(False, "--plot", help="Draw where a frame's time goes."),
    as_json: str = typer.Option(
        "", "--json", metavar="FILE", help="Write the document; '-' prints it, and nothing else."
    ),
    quiet: bool = QUIET,
) -> None:
    """Frames a second of each stage and of the whole, passes, copies and memory."""
    from magdr_video.settings import load_settings

    if as_json not in ("", "-") and not Path(as_json).parent.is_dir():
        raise OutputError(f"--json {as_json}: there is no such folder", hint="make it first")
    if clean is not None:
        _check_clean(clean, clips or [], variants)
    flags = {"run.device": device, "run.precision": precision}
    settings = load_settings(task=task, overrides=overrides, flags=flags)
    from magdr_video.benchmark.bench import run_speed
    from magdr_video.benchmark.speed import SpeedPlan
    from magdr_video.benchmark.tables import speed_tables

    plan = SpeedPlan(
        limit=frames, quality=quality, clean=clean, presets=_words(presets), landmarks=landmarks
    )
    held = run_speed(
        _clips(clips or []),
        settings,
        out,
        _say(quiet),
        plan,
        variants=_words(variants),
        plot=plot,
    )
    _show(speed_tables(held), quiet or as_json == "-")
    if as_json == "-":
        print(json.dumps(held))
    elif as_json:
        from magdr_video.provenance import write_json

        write_json(Path(as_json), held)


def _check_clean(clean: Path, clips: Sequence[Path], variants: str) -> None:
    if len(clips) != 1 or variants:
        raise UsageError("--clean belongs to one clip", hint="name that clip alone")
    _probe(clean)


def _clips(clips: Sequence[Path]) -> Sequence[Path]:
    """The clips, each readable, before anything is measured."""
    for clip in clips:
        _probe(clip)
    return clips


def _probe(clip: Path) -> None:
    from magdr_video.runs import refuse_hdr
    from magdr_video.video.reader import probe

    refuse_hdr(probe(clip), "reject")
