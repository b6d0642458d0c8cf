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
from magdr_video.command.benchmark_options import (
    ABOUT,
    BENCH_TASKS,
    DEVICE,
    FIRST_FRAMES,
    LEAST_FRAMES,
    NOT_FOR,
    OPTIONS,
    OUT,
    PROTECTED,
    QUIET,
    RESULTS,
    RUNS,
    RUNS_ONLY,
    SEED,
    SET,
    plan_of,
    rate_factors,
    words,
)
from magdr_video.errors import OutputError, UsageError
from magdr_video.progress import print_table, say

if TYPE_CHECKING:
    from magdr_video.benchmark.table import Table

app = typer.Typer(
    help="Measure detection, reconstruction, adaptive attacks, purifiers and speed.",
    no_args_is_help=True,
)


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
    plan, factors = plan_of(**asked), rate_factors(codecs)
    from magdr_video.benchmark import bench
    from magdr_video.benchmark.pages import PAGES

    tell = _say(quiet)
    if kind == "all":
        bench.run_all(plan, tell, factors, lambda: _finish(plan.out, write_results), words(kinds))
    else:
        _show(PAGES[kind](bench.RUNS[kind](plan, tell, factors, None)), quiet)
        _finish(plan.out, write_results)


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
    frames: int = FIRST_FRAMES,
    runs: bool = RUNS,
    runs_only: bool = RUNS_ONLY,
    protected: Path | None = PROTECTED,
    device: str = DEVICE,
    seed: int | None = SEED,
    out: Path = OUT,
    overrides: list[str] = SET,
    write_results: Path | None = RESULTS,
    quiet: bool = QUIET,
) -> None:
    """What repairs of protected clips are worth, neighbouring frames included."""
    factors = rate_factors(codecs)
    if frames in range(1, LEAST_FRAMES):
        raise UsageError(f"--frames {frames}", hint=f"{LEAST_FRAMES} or more, or 0 for all")
    if protected is not None:
        _check_protected(protected, sources, words(tasks))
    from magdr_video.benchmark.clip_bench import run_clips
    from magdr_video.benchmark.clip_cells import ClipPlan
    from magdr_video.benchmark.pages import PAGES

    plan = ClipPlan(
        clips=tuple(_clips(sources)),
        tasks=words(tasks),
        codecs=factors,
        frames=frames,
        overrides=tuple(overrides),
        device=device,
        versions=not runs_only,
        runs=runs or runs_only,
        protected=protected,
    )
    plan = plan if seed is None else replace(plan, seed=seed)
    _show(PAGES["clips"](run_clips(plan, out, _say(quiet))), quiet)
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
    from magdr_video.benchmark.clip_bench import run_speed
    from magdr_video.benchmark.speed import SpeedPlan
    from magdr_video.benchmark.speed_tables import speed_tables

    plan = SpeedPlan(
        limit=frames, quality=quality, clean=clean, presets=words(presets), landmarks=landmarks
    )
    held = run_speed(
        _clips(clips or []),
        settings,
        out,
        _say(quiet),
        plan,
        variants=words(variants),
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


def _check_protected(protected: Path, clips: Sequence[Path], tasks: Sequence[str]) -> None:
    if len(clips) != 1 or len(tasks) != 1:
        raise UsageError(
            f"--protected belongs to one clip and one task, not {len(clips)} and {len(tasks)}",
            hint="name that clip alone, and its task: --tasks edit",
        )
    _probe(protected)


def _clips(clips: Sequence[Path]) -> Sequence[Path]:
    """The clips, each readable, before anything is measured."""
    for clip in clips:
        _probe(clip)
    return clips


def _probe(clip: Path) -> None:
    from magdr_video.runs import refuse_hdr
    from magdr_video.video.reader import probe

    refuse_hdr(probe(clip), "reject")
