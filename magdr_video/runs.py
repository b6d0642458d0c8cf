"""One clip from file to file: reader and writer around the loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from magdr_video import provenance
from magdr_video.delivery.at_once import deliver_at_once
from magdr_video.delivery.identity import identity_of
from magdr_video.delivery.segmented import deliver_in_segments
from magdr_video.delivery.spent_memory import ending_when_spent
from magdr_video.delivery.translation import Stop, Tick, Translation
from magdr_video.device import batch_size, describe
from magdr_video.errors import SettingsError
from magdr_video.faces.alignment import align
from magdr_video.loading import Models, load_models
from magdr_video.pipeline import run
from magdr_video.report import report_document
from magdr_video.settings import Settings
from magdr_video.staging import Staged, face_finder, face_tracker, judging_only, stage_clip
from magdr_video.types import FaceCrops, FrameBatch, RunReport
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.pipes import PipeOutput, claim_standard_output, is_standard
from magdr_video.video.placement import check_paths, default_target
from magdr_video.video.reader import OPENING, ClipReader
from magdr_video.video.sampler import sample_at_random
from magdr_video.video.span import WHOLE, Span

__all__ = [
    "Models",
    "Tick",
    "check_paths",
    "crops_of",
    "default_target",
    "detect_clip",
    "load_models",
    "refuse_hdr",
    "translate_clip",
]


def _no_tick(frames: int, seconds: Fraction) -> None:
    pass


def _go_on() -> int:
    return 0


def translate_clip(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    models: Models | None = None,
    driving: Path | None = None,
    options: Mapping[str, str] | None = None,
    span: Span = WHOLE,
    overwrite: bool = False,
    resume: bool = False,
    tick: Tick = _no_tick,
    stop: Stop = _go_on,
) -> dict[str, Any]:
    """Translate the faces of a clip, defended as the settings say.

    Args:
        source: a video file; '-' is standard input.
        target: the file to write, which appears only when it is whole; '-' is standard output.
        models: those of an earlier clip with the same settings; loaded when absent.
        driving: reenact only: a clip whose expression, frame by frame, is the condition.
        options: further options of the encoder.
        span: the part of the clip to translate; the result holds nothing else.
        overwrite: replace a target that exists.
        resume: go on where an interrupted run of the same target stopped, if there was one; its
            work is thrown away otherwise. Not with pipes.
        tick: called after every batch.
        stop: asked after every segment, or batch of a pipe, whether to end early.

    Returns:
        The report (see `report.report_document`); the audit record lies beside a target that is a
        file.

    Raises:
        MagdrError: see `errors`; nothing is left under the target's name, and beside it nothing but
            the journal (`video.journal`) of a run that had finished a segment.
        Interrupted: `stop` said so; what was done lies in '<stem>.partial<ext>'.
    """
    report = RunReport()
    with ClipReader(
        source,
        batch=batch_size(settings.run.batch, settings.run.device),
        span=span,
        tapped=is_standard(source),
        opening=OPENING,
    ) as reader:
        refuse_hdr(reader.info, settings.output.hdr)
        models = models or load_models(settings)
        staged = stage_clip(settings, models, reader.info, report, driving=driving)
        report.notes += models.notes
        work = Translation(reader, staged, settings, report, options or {}, tick, stop)
        place = PipeOutput(claim_standard_output()) if is_standard(target) else target
        if isinstance(place, PipeOutput) or is_standard(source) or not settings.output.segment:
            deliver_at_once(work, place, overwrite=overwrite)
        else:
            identity = identity_of(source, settings, models, driving, options or {}, span)
            deliver_in_segments(work, place, identity, overwrite=overwrite, resume=resume)
    staged.count_into(report)
    hashes = {"input": _hash(source, reader), "output": _hash(target, place)}
    document = _document("defend", source, target, settings, models, report, hashes)
    if not is_standard(target):
        provenance.write_json(provenance.record_path(target), document)
    return document


def detect_clip(
    source: Path,
    settings: Settings,
    *,
    models: Models | None = None,
    sample: int = 0,
    tick: Tick = _no_tick,
) -> dict[str, Any]:
    """Judge a clip's faces without writing anything; the report's `run.verdicts` says it all.

    Args:
        source: a video file.
        settings: of the run; `run.seed` draws the sample.
        models: as `translate_clip`.
        sample: judge so many frames, drawn at random; 0 judges the whole clip.
        tick: called after every batch.

    Raises:
        MagdrError: as `translate_clip`; SettingsError also when detection is switched off.
    """
    if not settings.detection.enabled:
        raise SettingsError("detect needs detection.enabled = true")
    settings = dataclasses.replace(
        settings,
        reconstruction=dataclasses.replace(settings.reconstruction, enabled=False),
    )
    report = RunReport()
    with ClipReader(source, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        refuse_hdr(reader.info, settings.output.hdr)
        models = models or load_models(settings)
        staged = judging_only(stage_clip(settings, models, reader.info, report))
        batches: Iterable[FrameBatch] = reader
        if sample:
            batches = sample_at_random(source, sample, settings.run.seed)
            report.notes.append(_sampling_note(batches, settings.run.seed))
        for _ in _passed_through(batches, staged, report, settings, tick, reader.info.first_pts):
            pass
        report.notes += [*models.notes, *reader.notes]
    staged.count_into(report)
    hashes = {"input": _hash(source, reader)}
    return _document("detect", source, None, settings, models, report, hashes)


def _sampling_note(drawn: Sequence[FrameBatch], seed: int) -> str:
    frames = ", ".join(str(batch.first_index) for batch in drawn)
    return f"judged on {len(drawn)} frames drawn at random (run.seed {seed}) only: {frames}"


def crops_of(
    source: Path, settings: Settings, models: Models
) -> Iterator[tuple[FrameBatch, FaceCrops]]:
    """Aligned crops of a clip as its generator wants them, batch by batch."""
    record = models.translator.record
    with ClipReader(source, batch=batch_size(settings.run.batch, settings.run.device)) as reader:
        finder = face_finder(settings, models)
        tracker = face_tracker(settings, reader.info, finder, models.device)
        for batch, faces in tracker.track(reader):
            aspect = float(reader.info.sample_aspect)
            crops = align(batch, faces, record.size, record.alignment, models.device, aspect=aspect)
            yield batch, crops


def refuse_hdr(info: ClipInfo, mode: str) -> None:
    """PQ and HLG need a decision of the user's.

    Raises:
        SettingsError: the clip is HDR and the mode is 'reject'.
    """
    if info.hdr and mode == "reject":
        raise SettingsError(
            f"{info.path} is HDR (PQ or HLG)",
            hint="--hdr passthrough treats its values as they are; tone-map it first otherwise",
        )


def _passed_through(
    batches: Iterable[FrameBatch],
    staged: Staged,
    report: RunReport,
    settings: Settings,
    tick: Tick,
    first_pts: int,
) -> Iterator[FrameBatch]:
    """The batches that leave the stages, counted once whoever takes them is done with them."""
    stages = ending_when_spent(staged.stages)
    for batch in run(batches, stages, report, strict=settings.run.strict):
        yield batch
        report.frames_out += len(batch)
        tick(report.frames_out, (int(batch.pts[-1]) - first_pts) * batch.time_base)


def _hash(path: Path, held: ClipReader | PipeOutput | Path) -> str:
    """SHA-256 of a file, or of what went through a pipe; empty where it did not all pass."""
    if not is_standard(path):
        return provenance.sha256_of(path)
    return held.piped_sha256 if not isinstance(held, Path) else ""


def _document(
    command: str,
    source: Path,
    target: Path | None,
    settings: Settings,
    models: Models,
    report: RunReport,
    hashes: Mapping[str, str],
) -> dict[str, Any]:
    return report_document(
        command=command,
        source=source,
        output=target,
        settings=settings,
        report=report,
        device=describe(models.device),
        weights=models.weights,
        libraries=provenance.library_versions(),
        hashes={name: digest for name, digest in hashes.items() if digest},
    )
