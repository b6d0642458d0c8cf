"""`defend` and `detect`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import typer

from magdr_video.batch.archive import Archive
from magdr_video.batch.jobs import Defence, Document, Job, Judgement, Work
from magdr_video.batch.whole import Batch, Entry, run_batch
from magdr_video.command.inputs import are_many, expand
from magdr_video.command.reports import Speaker, emit
from magdr_video.command.tables import DryRun, result_lines, show_settings, show_verdicts
from magdr_video.command.targets import Overwriting, plan
from magdr_video.errors import SettingsError, UsageError, nearest
from magdr_video.progress import MODES, progress
from magdr_video.score_plot import check_plot, draw_scores
from magdr_video.settings import resolve
from magdr_video.surroundings import surroundings
from magdr_video.video.pipes import is_standard
from magdr_video.video.span import parse_span

INPUTS = typer.Argument(
    ..., help="Video files, directories, quoted patterns, @LIST; - is stdin.", show_default=False
)
TASK = typer.Option(None, "--task", "-t", help="replace, edit or reenact.")
PRESET = typer.Option(
    None, "--preset-file", "--preset", help="Your own preset (TOML).", envvar="MAGDR_PRESET_FILE"
)
SET = typer.Option([], "--set", help="Override one setting: key=value. Repeatable.")
DEVICE = typer.Option(None, "--device", help="auto, cpu, cuda or cuda:N.")
FACE = typer.Option(None, "--face", help="all, largest, index:N or a picture.")
GENERATOR = typer.Option(
    None, "--generator", help="Weights, a TorchScript or export file, or package.module:factory."
)
ATTRIBUTES = typer.Option(None, "--attributes", help="edit: such as Blond_Hair,Young.")
EXPRESSION = typer.Option(
    None, "--expression", help="reenact: such as happy, or AU12=0.8,AU25=0.5."
)
NO_CACHE = typer.Option(False, "--no-cache", help="Inspect every face of every frame.")
PROGRESS = typer.Option(
    "auto", "--progress", help="auto, bar, json or none.", envvar="MAGDR_PROGRESS"
)
PRINT_CONFIG = typer.Option(
    False, "--print-config", help="Print every setting and where it comes from, then exit."
)
QUIET = typer.Option(False, "--quiet", "-q", help="No progress, no notes.", envvar="MAGDR_QUIET")
RECURSIVE = typer.Option(
    False, "--recursive", "-r", help="Directories in directories, too.", envvar="MAGDR_RECURSIVE"
)
JOBS = typer.Option(None, "--jobs", help="Clips worked on at once, in processes.")
FAIL_FAST = typer.Option(
    False, "--fail-fast", help="Begin nothing more after a failure.", envvar="MAGDR_FAIL_FAST"
)
JSON = typer.Option(False, "--json", help="Print the report on stdout.", envvar="MAGDR_JSON")
REPORT = typer.Option(None, "--report", help="Write the report to a file.", envvar="MAGDR_REPORT")


def defend(
    inputs: list[Path] = INPUTS,
    output: Path | None = typer.Option(
        None, "--output", "-o", help="File, or directory for several inputs; - is stdout."
    ),
    task: str | None = TASK,
    attributes: str | None = ATTRIBUTES,
    expression: str | None = EXPRESSION,
    start: str | None = typer.Option(
        None, "--start", help="First frame: seconds, h:mm:ss.mmm, or a number as 120f."
    ),
    end: str | None = typer.Option(None, "--end", help="Where to stop; that frame is left out."),
    driving: Path | None = typer.Option(
        None, "--driving", help="reenact: a clip whose expression steers the output."
    ),
    generator: str | None = GENERATOR,
    face: str | None = FACE,
    preset_file: Path | None = PRESET,
    overrides: list[str] = SET,
    device: str | None = DEVICE,
    undefended: bool = typer.Option(False, "--undefended", help="Translate without a defence."),
    no_cache: bool = NO_CACHE,
    search_budget: int | None = typer.Option(
        None, "--search-budget", help="Generator passes a search may spend."
    ),
    vcodec: str | None = typer.Option(None, "--vcodec", help="Encoder, by ffmpeg's name."),
    crf: int | None = typer.Option(None, "--crf", help="Constant rate factor."),
    encoder_preset: str | None = typer.Option(
        None, "--encoder-preset", help="The encoder's own preset, such as veryfast."
    ),
    pix_fmt: str | None = typer.Option(None, "--pix-fmt", help="Pixel format."),
    pipe_format: str | None = typer.Option(
        None, "--format", help="Container for -o -: matroska, mpegts, mp4 or nut."
    ),
    options: list[str] = typer.Option([], "-e", help="Encoder option key=value. Repeatable."),
    provenance: str | None = typer.Option(None, "--provenance", help="auto, require or none."),
    hdr: str | None = typer.Option(None, "--hdr", help="reject or passthrough."),
    yes: bool = typer.Option(False, "-y", help="Overwrite what exists."),
    no: bool = typer.Option(False, "-n", help="Skip what exists."),
    archive: Path | None = typer.Option(
        None, "--archive", help="List of done clips: skip those in it, add those that get done."
    ),
    resume: bool = typer.Option(
        False, "--resume", help="Go on with what an interrupted run left beside the output."
    ),
    strict: bool = typer.Option(False, "--strict", help="A failed stage ends the run."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the plan; write nothing."),
    print_config: bool = PRINT_CONFIG,
    compare: Path | None = typer.Option(
        None, "--compare", help="Also write a film: source, undefended, defended side by side."
    ),
    recursive: bool = RECURSIVE,
    jobs: int | None = JOBS,
    fail_fast: bool = FAIL_FAST,
    progress_mode: str = PROGRESS,
    quiet: bool = QUIET,
    as_json: bool = JSON,
    report: Path | None = REPORT,
) -> None:
    """Detect and undo perturbations, translate the faces, write the clip."""
    check_mode(progress_mode)
    overwriting = Overwriting(yes, no, resume)
    if compare is not None:
        _check_comparison([*inputs, *([output] if output else [])], undefended, start or end)
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
    _check_pipes(inputs, output, pipe_format, as_json=as_json, resume=resume)
    sources, many = expand(inputs, recursive=recursive), are_many(inputs)
    done = None
    if archive is not None:
        done = Archive(archive, settings, [str(driving), *options, str(start), str(end)])
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
        encoder=dict(pair(text) for text in options),
        span=parse_span(start, end),
        resume=resume,
    )
    if dry_run:
        batch = run_entries(entries, DryRun(work), "none", quiet, fail_fast, lambda _: [])
    else:
        batch = run_entries(entries, work, progress_mode, quiet, fail_fast, result_lines, done)
        emit(batch, "defend", many=many, as_json=as_json, report=report)
    if batch.ending is not None:
        raise batch.ending


def detect(
    inputs: list[Path] = INPUTS,
    task: str | None = TASK,
    attributes: str | None = ATTRIBUTES,
    expression: str | None = EXPRESSION,
    generator: str | None = GENERATOR,
    face: str | None = FACE,
    preset_file: Path | None = PRESET,
    overrides: list[str] = SET,
    device: str | None = DEVICE,
    no_cache: bool = NO_CACHE,
    fail_if_perturbed: bool = typer.Option(
        False, "--fail-if-perturbed", help="Exit with 1 when any face is perturbed."
    ),
    plot: Path | None = typer.Option(
        None, "--plot", help="Draw the scores over time; a folder for several inputs."
    ),
    print_config: bool = PRINT_CONFIG,
    sample: int = typer.Option(
        0, "--sample", help="Judge so many frames, drawn at random; 0 is all.", min=0, max=256
    ),
    recursive: bool = RECURSIVE,
    jobs: int | None = JOBS,
    fail_fast: bool = FAIL_FAST,
    progress_mode: str = PROGRESS,
    quiet: bool = QUIET,
    as_json: bool = JSON,
    report: Path | None = REPORT,
) -> None:
    """Judge whether a clip's faces carry a perturbation; writes no video."""
    check_mode(progress_mode)
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


def run_entries(
    entries: list[Entry],
    work: Work,
    progress_mode: str,
    quiet: bool,
    fail_fast: bool,
    result: Callable[[Document], list[str]],
    archive: Archive | None = None,
) -> Batch:
    """Work on the inputs under the progress that was asked for."""

    def done(job: Job) -> None:
        if archive is not None and job.target is not None and not is_standard(job.source):
            archive.add(job.source, job.target)

    with progress(
        progress_mode, [entry.job.source.name for entry in entries], quiet=quiet
    ) as board:
        return run_batch(
            entries,
            work,
            Speaker(board, entries, result),
            jobs=1 if isinstance(work, DryRun) else work.settings.run.jobs,
            fail_fast=fail_fast,
            done=done,
        )


def _check_comparison(places: list[Path], undefended: bool, part: str | None) -> None:
    if undefended:
        raise UsageError("--compare shows the defence, --undefended has none", hint="drop one")
    if part:
        raise UsageError(
            "--compare shows whole clips, --start and --end take a part",
            hint="cut the part out first, then compare",
        )
    if any(is_standard(place) for place in places):
        raise UsageError("--compare needs files, '-' is a pipe", hint="name input and output")


def check_mode(mode: str) -> None:
    """Refuse a progress that does not exist."""
    if mode not in MODES:
        raise UsageError(f"--progress '{mode}' is not allowed", hint=nearest(mode, MODES))


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
        raise UsageError("--resume needs files: a pipe cannot be read or written again")
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


def pair(text: str) -> tuple[str, str]:
    """An encoder option, key=value."""
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SettingsError(f"-e '{text}' has no '='", hint="write -e key=value")
    return key, value
