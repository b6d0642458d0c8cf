"""`defend` and `detect`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from magdr_video.command.tables import say_result, show_plan, show_settings, show_verdicts
from magdr_video.command.targets import expand, may_overwrite, refuse_shared_targets, target_of
from magdr_video.errors import MagdrError, PartialFailure, SettingsError, UsageError, nearest
from magdr_video.progress import MODES, progress, say
from magdr_video.settings import Settings, load_settings

if TYPE_CHECKING:
    from magdr_video.runs import Models

INPUTS = typer.Argument(..., help="Video files or directories.", show_default=False)
TASK = typer.Option(None, "--task", "-t", help="replace, edit or reenact.", envvar="MAGDR_TASK")
PRESET = typer.Option(None, "--preset-file", "--preset", help="Your own preset (TOML).")
SET = typer.Option([], "--set", help="Override one setting: key=value. Repeatable.")
DEVICE = typer.Option(None, "--device", help="auto, cpu, cuda or cuda:N.", envvar="MAGDR_DEVICE")
FACE = typer.Option(None, "--face", help="all, largest or index:N.", envvar="MAGDR_FACE")
PROGRESS = typer.Option("auto", "--progress", help="auto, bar, json or none.")
QUIET = typer.Option(False, "--quiet", "-q", help="No progress, no notes.")
JSON = typer.Option(False, "--json", help="Print the report on stdout.")
REPORT = typer.Option(None, "--report", help="Write the report to a file.")


def _emit(document: dict[str, Any], as_json: bool, report: Path | None) -> None:
    if report is not None:
        from magdr_video.provenance import write_json

        write_json(report, document)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))


def _failed(command: str, source: Path, settings: Settings, error: MagdrError) -> dict[str, Any]:
    from magdr_video.report import report_document

    return report_document(
        command=command, source=source, output=None, settings=settings, report=None, error=error
    )


def _each(
    sources: list[Path],
    work: Callable[[Path], dict[str, Any] | None],
    command: str,
    settings: Settings,
) -> tuple[list[dict[str, Any]], MagdrError | None]:
    """Work on every input; one bad file does not stop the rest.

    Returns:
        A document for every input that was not skipped, and what to end with once they are out:
        the error of a single input, or of a batch a summary with the common code or 9.

    Raises:
        Interrupted: at once, whatever is left to do.
    """
    documents: list[dict[str, Any]] = []
    errors: list[MagdrError] = []
    for source in sources:
        try:
            document = work(source)
        except MagdrError as error:
            if error.exit_code >= 128:
                raise
            errors.append(error)
            document = _failed(command, source, settings, error)
            if len(sources) > 1:
                say(f"magdr-video: {error}")
        if document is not None:
            documents.append(document)
    return documents, _summary(errors, len(sources))


def _summary(errors: list[MagdrError], total: int) -> MagdrError | None:
    if len(errors) == total == 1 or not errors:
        return errors[0] if errors else None
    codes = {error.exit_code for error in errors}
    summary = PartialFailure(f"{len(errors)} of {total} inputs failed")
    if len(errors) == total:
        summary.exit_code = codes.pop() if len(codes) == 1 else 1
    return summary


def _single(document: list[dict[str, Any]]) -> Any:
    return document[0] if len(document) == 1 else {"schema": 1, "runs": document}


def _with_models(settings: Settings) -> Callable[[], Models]:
    held: list[Models] = []

    def get() -> Models:
        from magdr_video.runs import load_models

        if not held:
            held.append(load_models(settings))
        return held[0]

    return get


def defend(
    inputs: list[Path] = INPUTS,
    output: Path | None = typer.Option(
        None, "--output", "-o", help="File, or directory for several inputs."
    ),
    task: str | None = TASK,
    attributes: str | None = typer.Option(
        None, "--attributes", help="edit: such as Blond_Hair,Young."
    ),
    expression: str | None = typer.Option(
        None, "--expression", help="reenact: such as happy, or AU12=0.8,AU25=0.5."
    ),
    driving: Path | None = typer.Option(
        None, "--driving", help="reenact: a clip whose expression steers the output."
    ),
    face: str | None = FACE,
    preset_file: Path | None = PRESET,
    overrides: list[str] = SET,
    device: str | None = DEVICE,
    undefended: bool = typer.Option(False, "--undefended", help="Translate without a defence."),
    no_cache: bool = typer.Option(False, "--no-cache", help="Inspect every face of every frame."),
    search_budget: int | None = typer.Option(
        None, "--search-budget", help="Generator passes a search may spend."
    ),
    vcodec: str | None = typer.Option(None, "--vcodec", help="Encoder, by ffmpeg's name."),
    crf: int | None = typer.Option(None, "--crf", help="Constant rate factor."),
    encoder_preset: str | None = typer.Option(
        None, "--encoder-preset", help="The encoder's own preset, such as veryfast."
    ),
    pix_fmt: str | None = typer.Option(None, "--pix-fmt", help="Pixel format."),
    options: list[str] = typer.Option([], "-e", help="Encoder option key=value. Repeatable."),
    provenance: str | None = typer.Option(None, "--provenance", help="auto, require or none."),
    hdr: str | None = typer.Option(None, "--hdr", help="reject or passthrough."),
    yes: bool = typer.Option(False, "-y", help="Overwrite what exists."),
    no: bool = typer.Option(False, "-n", help="Skip what exists."),
    strict: bool = typer.Option(False, "--strict", help="A failed stage ends the run."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Print the plan; write nothing."),
    print_config: bool = typer.Option(False, "--print-config", help="Print the settings, exit."),
    progress_mode: str = PROGRESS,
    quiet: bool = QUIET,
    as_json: bool = JSON,
    report: Path | None = REPORT,
) -> None:
    """Detect and undo perturbations, translate the faces, write the clip."""
    _check_modes(progress_mode, yes, no)
    settings = load_settings(
        task=task,
        preset=preset_file,
        overrides=overrides,
        flags={
            "condition.attributes": attributes,
            "condition.expression": expression,
            "faces.which": face,
            "run.device": device,
            "run.strict": strict or None,
            "detection.enabled": False if undefended else None,
            "reconstruction.cache": False if no_cache else None,
            "reconstruction.search_budget": search_budget,
            "output.vcodec": vcodec,
            "output.crf": crf,
            "output.preset": encoder_preset,
            "output.pix_fmt": pix_fmt,
            "output.provenance": provenance,
            "output.hdr": hdr,
        },
    )
    if print_config:
        show_settings(settings)
        return
    sources = expand(inputs)
    many = len(sources) > 1 or (bool(inputs) and inputs[0].is_dir())
    if many and output is not None and not output.is_dir():
        raise UsageError(
            f"{len(sources)} inputs cannot all become {output}",
            hint="name an existing directory with -o",
        )
    refuse_shared_targets(sources, output, many)
    models = _with_models(settings)
    encoder = dict(_pair(text) for text in options)

    def work(source: Path) -> dict[str, Any] | None:
        from magdr_video.provenance import output_metadata
        from magdr_video.runs import check_paths, refuse_hdr, translate_clip
        from magdr_video.video.reader import probe

        target = target_of(source, output, many)
        check_paths(source, target, overwrite=True)
        if may_overwrite(target, yes, no) is None:
            say(f"{target} exists: skipped")
            return None
        clip = probe(source)
        refuse_hdr(clip, settings.output.hdr)
        output_metadata(settings.task, settings.output.provenance, clip.metadata)
        if dry_run:
            show_plan(source, target, settings, models())
            return None
        total = float(clip.duration) if clip.duration else None
        with progress(progress_mode, source.name, total, quiet=quiet) as tick:
            document = translate_clip(
                source,
                target,
                settings,
                models=models(),
                driving=driving,
                options=encoder,
                overwrite=True,
                tick=tick,
            )
        if not quiet:
            say_result(document)
        return document

    documents, failure = _each(sources, work, "defend", settings)
    if documents:
        _emit(_single(documents), as_json, report)
    if failure is not None:
        raise failure


def detect(
    inputs: list[Path] = INPUTS,
    task: str | None = TASK,
    face: str | None = FACE,
    preset_file: Path | None = PRESET,
    overrides: list[str] = SET,
    device: str | None = DEVICE,
    fail_if_perturbed: bool = typer.Option(
        False, "--fail-if-perturbed", help="Exit with 1 when any face is perturbed."
    ),
    progress_mode: str = PROGRESS,
    quiet: bool = QUIET,
    as_json: bool = JSON,
    report: Path | None = REPORT,
) -> None:
    """Judge whether a clip's faces carry a perturbation; writes no video."""
    _check_modes(progress_mode, False, False)
    flags = {"faces.which": face, "run.device": device}
    settings = load_settings(task=task, preset=preset_file, overrides=overrides, flags=flags)
    models = _with_models(settings)

    def work(source: Path) -> dict[str, Any]:
        from magdr_video.runs import detect_clip
        from magdr_video.video.reader import probe

        clip = probe(source)
        total = float(clip.duration) if clip.duration else None
        with progress(progress_mode, source.name, total, quiet=quiet) as tick:
            document = detect_clip(source, settings, models=models(), tick=tick)
        if not as_json:
            show_verdicts(document)
        return document

    documents, failure = _each(expand(inputs), work, "detect", settings)
    _emit(_single(documents), as_json, report)
    if failure is not None:
        raise failure
    if fail_if_perturbed and any(d["run"]["faces_perturbed"] for d in documents):
        raise typer.Exit(1)


def _check_modes(mode: str, yes: bool, no: bool) -> None:
    if mode not in MODES:
        raise UsageError(f"--progress '{mode}' is not allowed", hint=nearest(mode, MODES))
    if yes and no:
        raise UsageError("-y and -n contradict each other", hint="give one of them")


def _pair(text: str) -> tuple[str, str]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise SettingsError(f"-e '{text}' has no '='", hint="write -e key=value")
    return key, value
