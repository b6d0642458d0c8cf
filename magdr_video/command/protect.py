"""`protect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from magdr_video.batch.jobs import Document, Protection
from magdr_video.command import options
from magdr_video.command.inputs import are_many, expand
from magdr_video.command.reports import emit
from magdr_video.command.running import plan_entries, run_entries
from magdr_video.command.tables import DryRun, show_settings
from magdr_video.command.targets import Overwriting, plan
from magdr_video.errors import UsageError
from magdr_video.progress import print_table
from magdr_video.settings import resolve
from magdr_video.surroundings import surroundings
from magdr_video.video.pipes import is_standard

ENDING = "_protected"


def protect(
    inputs: list[Path] = options.INPUTS,
    output: Path | None = typer.Option(
        None, "--output", "-o", help="File, or directory for several inputs."
    ),
    task: str | None = options.TASK,
    attributes: str | None = typer.Option(
        None, "--attributes", help="edit: the attributes to protect against."
    ),
    expression: str | None = typer.Option(
        None, "--expression", help="reenact: the expression to protect against."
    ),
    method: str | None = typer.Option(
        None, "--method", "-m", help="pgd, fgsm, cw, joint, ...; a wrong name lists them."
    ),
    epsilon: float | None = typer.Option(
        None, "--epsilon", help="Bound in [-1, 1] units: 0.05 is 6.375/255."
    ),
    steps: int | None = typer.Option(None, "--steps", help="Gradient steps."),
    step_size: float | None = typer.Option(
        None, "--step-size", help="Length of a step, [-1, 1] units."
    ),
    restarts: int | None = typer.Option(None, "--restarts", help="Starts; the best is kept."),
    mode: str | None = typer.Option(
        None,
        "--mode",
        help="frame: each on its own; shared: one for a track; carried: along its motion.",
    ),
    generator: str | None = options.GENERATOR,
    face: str | None = options.FACE,
    preset_file: Path | None = options.PRESET,
    overrides: list[str] = options.SET,
    device: str | None = options.DEVICE,
    vcodec: str | None = typer.Option(
        None, "--vcodec", help="Encoder, by ffmpeg's name; lossless H.264 without any of these."
    ),
    crf: int | None = options.CRF,
    encoder_preset: str | None = options.ENCODER_PRESET,
    pix_fmt: str | None = options.PIX_FMT,
    encoder_options: list[str] = options.ENCODER_OPTIONS,
    later_crf: str | None = typer.Option(
        None, "--later-crf", help="Measure what H.264 would leave, such as 18,23,28."
    ),
    provenance: str | None = options.PROVENANCE,
    hdr: str | None = options.HDR,
    yes: bool = options.YES,
    no: bool = options.NO,
    dry_run: bool = options.DRY_RUN,
    print_config: bool = options.PRINT_CONFIG,
    recursive: bool = options.RECURSIVE,
    jobs: int | None = options.JOBS,
    fail_fast: bool = options.FAIL_FAST,
    progress_mode: str = options.PROGRESS,
    quiet: bool = options.QUIET,
    as_json: bool = options.JSON,
    report: Path | None = options.REPORT,
) -> None:
    """Perturb the faces so that a generator breaks on them; say what is left after encoding."""
    options.check_mode(progress_mode)
    options.check_report(report)
    if any(is_standard(path) for path in (*inputs, *([output] if output else []))):
        raise UsageError("protect reads clips several times", hint="name files, not -")
    overwriting = Overwriting(yes, no)
    encoded = any(value is not None for value in (vcodec, crf, encoder_preset, pix_fmt))
    resolved = resolve(
        task=task,
        preset=preset_file,
        overrides=overrides,
        around=surroundings(),
        flags={
            "condition.attributes": attributes,
            "condition.expression": expression,
            "protection.method": method,
            "protection.epsilon": epsilon,
            "protection.steps": steps,
            "protection.step_size": step_size,
            "protection.restarts": restarts,
            "protection.mode": mode,
            "protection.later_crf": later_crf,
            "protection.lossless": False if encoded or encoder_options else None,
            # A protection is made without a defence: none is loaded, none need be calibrated.
            "detection.enabled": False,
            "model.generator": generator,
            "faces.which": face,
            "run.device": device,
            "run.jobs": jobs,
            "output.vcodec": vcodec,
            "output.crf": crf,
            "output.preset": encoder_preset,
            "output.pix_fmt": pix_fmt,
            "output.provenance": provenance,
            "output.hdr": hdr,
        },
    )
    if print_config:
        show_settings(resolved)
        return
    options.check_condition(resolved.settings.task, attributes, expression)
    many = are_many(inputs)
    entries = plan(
        expand(inputs, recursive=recursive),
        output,
        many=many,
        overwriting=overwriting,
        dry=dry_run,
        ending=ENDING,
    )
    encoder = dict(options.pair(text) for text in encoder_options)
    work = Protection(resolved.settings, encoder=encoder)
    if dry_run:
        batch = plan_entries(entries, DryRun(work), quiet, fail_fast)
    else:
        batch = run_entries(entries, work, progress_mode, quiet, fail_fast, lines)
        _show(batch.done, as_json)
        emit(batch, "protect", many=many, as_json=as_json, report=report)
    if batch.ending is not None:
        raise batch.ending


def _show(documents: list[Document], as_json: bool) -> None:
    for document in [] if as_json else documents:
        show_survival(document)


def lines(document: Document) -> list[str]:
    """One line on a clip that is done, and its notes."""
    run, about = document["run"], document["protection"]
    done = (
        f"{document['output']}: {run['frames_out']} frames, {about['faces']} faces perturbed "
        f"({about['method']}, epsilon {about['epsilon']:g} = {about['epsilon_of_255']:g}/255)"
    )
    return [done, *(f"  note: {note}" for note in run["notes"])]


def show_survival(document: Document) -> None:
    """How far the generator is disrupted, as made and after encoding, and by encoding alone."""
    about = document["protection"]
    head = ["what the generator sees", "faces", "mean error", "disrupted", "where it edits"]
    targeted = any("reached_target" in row for row in about["rows"])
    rows = [_cells(row, targeted) for row in about["rows"]]
    title = (
        f"{document['output']}: {about['method']}, epsilon {about['epsilon']:g} "
        f"({about['epsilon_of_255']:g}/255), {about['mode']}"
    )
    head += ["nullified"] if targeted else []
    print_table(title, (*head, "PSNR of crops", "of outputs"), rows)
    print("mean error: MSE of outputs in [-1, 1] units; disrupted: the share above 0.05")


def _cells(row: dict[str, Any], targeted: bool) -> list[str]:
    cells = [
        row["what"],
        str(row["faces"]),
        _number(row["mean_error"], "{:.4f}"),
        _number(row["disrupted"], "{:.0%}"),
        _number(row["disrupted_where_edited"], "{:.0%}"),
    ]
    cells += [_number(row["reached_target"], "{:.0%}")] if targeted else []
    return [*cells, *(_number(row[k], "{:.1f} dB") for k in ("psnr_of_crops", "psnr_of_outputs"))]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)
