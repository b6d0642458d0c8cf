"""`detect`."""

from __future__ import annotations

from pathlib import Path

import typer

from magdr_video.batch.jobs import Document, Job, Judgement
from magdr_video.batch.whole import Entry
from magdr_video.command import options
from magdr_video.command.inputs import are_many, expand
from magdr_video.command.reports import emit
from magdr_video.command.running import run_entries
from magdr_video.command.tables import show_settings, show_verdicts
from magdr_video.errors import UsageError
from magdr_video.score_plot import check_plot, draw_scores
from magdr_video.settings import resolve
from magdr_video.surroundings import surroundings
from magdr_video.video.pipes import is_standard


def detect(
    inputs: list[Path] = options.INPUTS,
    task: str | None = options.TASK,
    attributes: str | None = options.ATTRIBUTES,
    expression: str | None = options.EXPRESSION,
    generator: str | None = options.GENERATOR,
    face: str | None = options.FACE,
    preset_file: Path | None = options.PRESET,
    overrides: list[str] = options.SET,
    device: str | None = options.DEVICE,
    no_cache: bool = options.NO_CACHE,
    fail_if_perturbed: bool = typer.Option(
        False, "--fail-if-perturbed", help="Exit with 1 when any face is perturbed."
    ),
    plot: Path | None = typer.Option(
        None, "--plot", help="Draw the scores over time; a folder for several inputs."
    ),
    print_config: bool = options.PRINT_CONFIG,
    sample: int = typer.Option(
        0, "--sample", help="Judge so many frames, drawn at random; 0 is all.", min=0, max=256
    ),
    recursive: bool = options.RECURSIVE,
    jobs: int | None = options.JOBS,
    fail_fast: bool = options.FAIL_FAST,
    progress_mode: str = options.PROGRESS,
    quiet: bool = options.QUIET,
    as_json: bool = options.JSON,
    report: Path | None = options.REPORT,
) -> None:
    """Judge whether a clip's faces carry a perturbation; writes no video."""
    options.check_mode(progress_mode)
    options.check_report(report)
    flags = {
        "condition.attributes": attributes,
        "condition.expression": expression,
        "model.generator": generator,
        "faces.which": face,
        "run.device": device,
        "run.jobs": jobs,
        "reconstruction.cache": False if no_cache else None,
    }
    resolved = resolve(
        task=task, preset=preset_file, overrides=overrides, flags=flags, around=surroundings()
    )
    if print_config:
        show_settings(resolved)
        return
    settings = resolved.settings
    options.check_condition(settings.task, attributes, expression)
    if sample and any(is_standard(path) for path in inputs):
        raise UsageError("--sample seeks, which a pipe cannot", hint="name a file")
    entries = [Entry(Job(source.path)) for source in expand(inputs, recursive=recursive)]
    if plot is not None:
        check_plot(plot / "scores.png" if plot.is_dir() else plot)
        if len(entries) > 1 and not plot.is_dir():
            raise UsageError(
                f"--plot {plot} is one file for {len(entries)} inputs",
                hint="name an existing directory",
            )
    work = Judgement(settings, sample)
    batch = run_entries(entries, work, progress_mode, quiet, fail_fast, lambda _: [])
    for document in batch.done:
        if not as_json:
            show_verdicts(document)
        if plot is not None:
            draw_scores(document, _plot_of(document, plot))
    emit(batch, "detect", many=are_many(inputs), as_json=as_json, report=report)
    if batch.ending is not None:
        raise batch.ending
    if fail_if_perturbed and any(d["run"]["faces_perturbed"] for d in batch.done):
        raise typer.Exit(1)


def _plot_of(document: Document, plot: Path) -> Path:
    return plot / f"{Path(document['input']).stem}.png" if plot.is_dir() else plot
