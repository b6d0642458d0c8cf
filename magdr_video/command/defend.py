"""`defend`."""

from __future__ import annotations

from pathlib import Path

import typer

from magdr_video.batch.archive import Archive
from magdr_video.batch.jobs import Defence
from magdr_video.command import options
from magdr_video.command.inputs import are_many, expand
from magdr_video.command.reports import emit
from magdr_video.command.running import plan_entries, run_entries
from magdr_video.command.tables import DryRun, result_lines, show_settings
from magdr_video.command.targets import Overwriting, plan
from magdr_video.errors import UsageError
from magdr_video.settings import resolve
from magdr_video.surroundings import surroundings
from magdr_video.video.pipes import is_standard
from magdr_video.video.span import parse_span


def defend(
    inputs: list[Path] = options.INPUTS,
    output: Path | None = typer.Option(
        None, "--output", "-o", help="File, or directory for several inputs; - is stdout."
    ),
    task: str | None = options.TASK,
    attributes: str | None = options.ATTRIBUTES,
    expression: str | None = options.EXPRESSION,
    start: str | None = typer.Option(
        None, "--start", help="First frame: seconds, h:mm:ss.mmm, or a number as 120f."
    ),
    end: str | None = typer.Option(None, "--end", help="Where to stop; that frame is left out."),
    driving: Path | None = typer.Option(
        None, "--driving", help="reenact: a clip whose expression steers the output."
    ),
    generator: str | None = options.GENERATOR,
    face: str | None = options.FACE,
    preset_file: Path | None = options.PRESET,
    overrides: list[str] = options.SET,
    device: str | None = options.DEVICE,
    precision: str | None = options.PRECISION,
    undefended: bool = typer.Option(False, "--undefended", help="Translate without a defence."),
    no_cache: bool = options.NO_CACHE,
    search_budget: int | None = typer.Option(
        None, "--search-budget", help="Generator passes a search may spend."
    ),
    vcodec: str | None = typer.Option(None, "--vcodec", help="Encoder, by ffmpeg's name."),
    crf: int | None = options.CRF,
    encoder_preset: str | None = options.ENCODER_PRESET,
    pix_fmt: str | None = options.PIX_FMT,
    pipe_format: str | None = typer.Option(
        None, "--format", help="Container for -o -: matroska, mpegts, mp4 or nut."
    ),
    encoder_options: list[str] = options.ENCODER_OPTIONS,
    provenance: str | None = options.PROVENANCE,
    hdr: str | None = options.HDR,
    yes: bool = options.YES,
    no: bool = options.NO,
    archive: Path | None = typer.Option(
        None, "--archive", help="List of done clips: skip those in it, add those that get done."
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Go on with what an interrupted run left beside the output."
    ),
    strict: bool = typer.Option(False, "--strict", help="A failed stage ends the run."),
    dry_run: bool = options.DRY_RUN,
    print_config: bool = options.PRINT_CONFIG,
    compare: Path | None = typer.Option(
        None, "--compare", help="Also write a film: source, undefended, defended side by side."
    ),
    recursive: bool = options.RECURSIVE,
    jobs: int | None = options.JOBS,
    fail_fast: bool = options.FAIL_FAST,
    progress_mode: str = options.PROGRESS,
    quiet: bool = options.QUIET,
    as_json: bool = options.JSON,
    report: Path | None = options.REPORT,
) -> None:
    """Detect and undo perturbations, translate the faces, write the clip."""
    options.check_mode(progress_mode)
    options.check_report(report)
    overwriting = Overwriting(yes, no, resume)
    if compare is not None:
        _check_comparison([*inputs, *([output] if output else [])], undefended)
    resolved = resolve(
        task=task,
        preset=preset_file,
        overrides=overrides,
        around=surroundings(),
        flags={
            "condition.attributes": attributes,
            "condition.expression": expression,
            "model.generator": generator,
            "faces.which": face,
            "run.device": device,
            "run.precision": precision,
            "run.strict": strict or None,
            "run.jobs": jobs,
            "detection.enabled": False if undefended else None,
            "reconstruction.cache": False if no_cache else None,
            "reconstruction.search_budget": search_budget,
            "output.vcodec": vcodec,
            "output.crf": crf,
            "output.preset": encoder_preset,
            "output.pix_fmt": pix_fmt,
            "output.provenance": provenance,
            "output.hdr": hdr,
            "output.format": pipe_format,
        },
    )
    if print_config:
        show_settings(resolved)
        return
    settings = resolved.settings
    options.check_condition(settings.task, attributes, expression)
    _check_pipes(inputs, output, pipe_format, as_json=as_json, resume=resume)
    sources, many = expand(inputs, recursive=recursive), are_many(inputs)
    done = None
    if archive is not None:
        done = Archive(archive, settings, [str(driving), *encoder_options, str(start), str(end)])
    entries = plan(
        sources,
        output,
        many=many,
        overwriting=overwriting,
        archive=done,
        compare=compare,
        dry=dry_run,
    )
    work = Defence(
        settings,
        driving=driving,
        encoder=dict(options.pair(text) for text in encoder_options),
        span=parse_span(start, end),
        resume=resume,
    )
    if dry_run:
        batch = plan_entries(entries, DryRun(work), quiet, fail_fast)
    else:
        batch = run_entries(entries, work, progress_mode, quiet, fail_fast, result_lines, done)
        emit(batch, "defend", many=many, as_json=as_json, report=report)
    if batch.ending is not None:
        raise batch.ending


def _check_comparison(places: list[Path], undefended: bool) -> None:
    if undefended:
        raise UsageError("--compare shows the defence, --undefended has none", hint="drop one")
    if any(is_standard(place) for place in places):
        raise UsageError("--compare needs files, '-' is a pipe", hint="name input and output")


def _check_pipes(
    inputs: list[Path],
    output: Path | None,
    pipe_format: str | None,
    *,
    as_json: bool,
    resume: bool,
) -> None:
    """Nothing but the film may go to stdout, and only there is its container a free choice."""
    if resume and any(is_standard(path) for path in (*inputs, output or Path())):
        raise UsageError(
            "--resume needs files: a pipe cannot be read or written again", hint="name the files"
        )
    if len(inputs) > 1 and any(is_standard(path) for path in inputs):
        raise UsageError(f"standard input and {len(inputs) - 1} other inputs", hint="give - alone")
    if output is not None and is_standard(output):
        if as_json:
            raise UsageError(
                "--json and -o - both want stdout", hint="write the report with --report FILE"
            )
    elif pipe_format is not None:
        raise UsageError(
            "--format is for -o -", hint="the extension of a file chooses its container"
        )
