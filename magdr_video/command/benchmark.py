"""`benchmark KIND`: the paper's tables and figures on held-out faces, and the speed on clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from magdr_video.errors import SettingsError, UsageError
from magdr_video.progress import print_table, say
from magdr_video.settings import TASKS

if TYPE_CHECKING:
    from magdr_video.benchmark.plan import Plan
    from magdr_video.benchmark.tables import Table

app = typer.Typer(
    help="Measure detection, reconstruction, adaptive attacks, purifiers and speed.",
    no_args_is_help=True,
)

DATA = typer.Option(
    Path("../shared/data"), "--data", envvar="MAGDR_DATA", help="Folder of the face data."
)
DATASET = typer.Option(
    "synthetic", "--dataset", help="synthetic, celeba, folder or drawn (its figures are smoke)."
)
OUT = typer.Option(Path("magdr-benchmark"), "--out", "-o", help="Folder for tables and figures.")
BENCH_TASKS = typer.Option(",".join(TASKS), "--tasks", help="Tasks, separated by commas.")
ATTACKS = typer.Option("pgd,cw", "--attacks", help="Attacks, separated by commas.")
CODECS = typer.Option("", "--codecs", help="H.264 rate factors for codec rows, such as 18,28.")
CLIPS = typer.Option([], "--clips", help="A clip for rows on neighbouring frames; repeatable.")
FACES = typer.Option(None, "--faces", help="Held-out faces a task; all counts follow.", min=2)
QUICK = typer.Option(False, "--quick", help="A run of minutes that shows whether all works.")
TRAINING = typer.Option(
    None, "--baseline-training", help="Share of their training that baselines get, 1 is all."
)
SEED = typer.Option(None, "--seed", help="Seed of everything random.", min=0)
EPSILON = typer.Option(None, "--epsilon", help="Bound of the attacks, images in [-1, 1].")
RESULTS = typer.Option(None, "--write-results", help="Write a page of all results found in --out.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress, no tables.")


def _plan(
    data: Path,
    dataset: str,
    out: Path,
    tasks: str,
    attacks: str,
    faces: int | None,
    is_quick: bool,
    seed: int | None,
    epsilon: float | None,
    training: float | None = None,
) -> Plan:
    from magdr_video.benchmark.plan import Plan, quick, with_faces

    plan = Plan(data=data, dataset=dataset, out=out, tasks=_words(tasks), attacks=_words(attacks))
    changes: dict[str, Any] = {"seed": seed, "epsilon": epsilon, "baseline_share": training}
    plan = replace(plan, **{name: held for name, held in changes.items() if held is not None})
    if is_quick:
        plan = quick(plan)
    return plan if faces is None else with_faces(plan, faces)


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


@app.command()
def detection(
    data: Path = DATA,
    dataset: str = DATASET,
    out: Path = OUT,
    tasks: str = BENCH_TASKS,
    attacks: str = ATTACKS,
    faces: int | None = FACES,
    quick: bool = QUICK,
    seed: int | None = SEED,
    epsilon: float | None = EPSILON,
    baseline_training: float | None = TRAINING,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """Table 1: detectors, ablations and baselines against each attack."""
    plan = _plan(data, dataset, out, tasks, attacks, faces, quick, seed, epsilon, baseline_training)
    from magdr_video.benchmark.bench import PAGES, run_detection

    _show(PAGES["detection"](run_detection(plan, _say(quiet))), quiet)
    _finish(out, write_results)


@app.command()
def reconstruction(
    data: Path = DATA,
    dataset: str = DATASET,
    out: Path = OUT,
    tasks: str = BENCH_TASKS,
    attacks: str = ATTACKS,
    faces: int | None = FACES,
    codecs: str = CODECS,
    clips: list[Path] = CLIPS,
    quick: bool = QUICK,
    seed: int | None = SEED,
    epsilon: float | None = EPSILON,
    baseline_training: float | None = TRAINING,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """Table 2 and Figure 4: reconstructors, single transforms, chains, oracle and ablations."""
    plan = _plan(data, dataset, out, tasks, attacks, faces, quick, seed, epsilon, baseline_training)
    from magdr_video.benchmark.bench import PAGES, run_reconstruction

    held = run_reconstruction(plan, _say(quiet), _codecs(codecs), _clips(clips))
    _show(PAGES["reconstruction"](held), quiet)
    _finish(out, write_results)


@app.command()
def adaptive(
    data: Path = DATA,
    dataset: str = DATASET,
    out: Path = OUT,
    tasks: str = BENCH_TASKS,
    faces: int | None = FACES,
    quick: bool = QUICK,
    seed: int | None = SEED,
    epsilon: float | None = EPSILON,
    baseline_training: float | None = TRAINING,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """Figure 3: F1 over the iterations of an attack that knows the defence."""
    plan = _plan(data, dataset, out, tasks, "pgd", faces, quick, seed, epsilon, baseline_training)
    from magdr_video.benchmark.bench import PAGES, run_adaptive

    _show(PAGES["adaptive"](run_adaptive(plan, _say(quiet))), quiet)
    _finish(out, write_results)


@app.command()
def purifiers(
    data: Path = DATA,
    dataset: str = DATASET,
    out: Path = OUT,
    tasks: str = BENCH_TASKS,
    faces: int | None = FACES,
    quick: bool = QUICK,
    seed: int | None = SEED,
    epsilon: float | None = EPSILON,
    baseline_training: float | None = TRAINING,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """Every transform, chain and reconstructor against every attack."""
    plan = _plan(data, dataset, out, tasks, "pgd", faces, quick, seed, epsilon, baseline_training)
    from magdr_video.benchmark.bench import PAGES, run_purifiers

    _show(PAGES["purifiers"](run_purifiers(plan, _say(quiet))), quiet)
    _finish(out, write_results)


@app.command(name="all")
def everything(
    data: Path = DATA,
    dataset: str = DATASET,
    out: Path = OUT,
    tasks: str = BENCH_TASKS,
    attacks: str = ATTACKS,
    faces: int | None = FACES,
    codecs: str = CODECS,
    clips: list[Path] = CLIPS,
    quick: bool = QUICK,
    seed: int | None = SEED,
    epsilon: float | None = EPSILON,
    baseline_training: float | None = TRAINING,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """The four above, one after another; what they share is computed once."""
    plan = _plan(data, dataset, out, tasks, attacks, faces, quick, seed, epsilon, baseline_training)
    from magdr_video.benchmark import bench

    tell = _say(quiet)
    bench.run_detection(plan, tell)
    bench.run_reconstruction(plan, tell, _codecs(codecs), _clips(clips))
    bench.run_adaptive(plan, tell)
    bench.run_purifiers(plan, tell)
    _finish(out, write_results)


@app.command()
def speed(
    clips: list[Path] = typer.Argument(None, help="Clips; without any, a self-made one."),
    task: str = typer.Option("edit", "--task", "-t", help="replace, edit or reenact."),
    out: Path = OUT,
    frames: int = typer.Option(0, "--frames", help="Frames of each clip; 0 is all.", min=0),
    device: str | None = typer.Option(None, "--device", help="auto, cpu, cuda or cuda:N."),
    overrides: list[str] = typer.Option([], "--set", help="key=value, as for defend."),
    plot: bool = typer.Option(False, "--plot", help="Draw where a frame's time goes."),
    quiet: bool = QUIET,
) -> None:
    """Frames a second of each stage and of the whole, passes, copies and memory."""
    from magdr_video.settings import load_settings

    flags = {"run.device": device}
    settings = load_settings(task=task, overrides=overrides, flags=flags)
    from magdr_video.benchmark.bench import run_speed
    from magdr_video.benchmark.tables import speed_tables

    held = run_speed(_clips(clips or []), settings, out, _say(quiet), limit=frames, plot=plot)
    _show(speed_tables(held), quiet)


def _clips(clips: list[Path]) -> list[Path]:
    """The clips, each readable, before anything is measured."""
    for clip in clips:
        _probe(clip)
    return clips


def _probe(clip: Path) -> None:
    from magdr_video.runs import refuse_hdr
    from magdr_video.video.reader import probe

    refuse_hdr(probe(clip), "reject")
