"""One clip from file to file: reader and writer around the loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from magdr_video import provenance
from magdr_video.device import describe
from magdr_video.errors import OutputError, RuntimeFailure, SettingsError
from magdr_video.faces.alignment import align
from magdr_video.loading import Models, load_models
from magdr_video.pipeline import run
from magdr_video.report import report_document
from magdr_video.settings import Settings
from magdr_video.staging import Staged, face_finder, face_tracker, judging_only, stage_clip
from magdr_video.types import FaceCrops, FrameBatch, RunReport
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.prefetch import prefetch
from magdr_video.video.reader import ClipReader
from magdr_video.video.sampler import sample_at_random
from magdr_video.video.target import target_suffix
from magdr_video.video.writer import ClipWriter

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

Tick = Callable[[int, Fraction], None]
"""Progress: frames done and the time reached in the clip, in seconds."""

PREFETCHED_BATCHES = 2


def _no_tick(frames: int, seconds: Fraction) -> None:
    pass


def translate_clip(
    source: Path,
    target: Path,
    settings: Settings,
    *,
    models: Models | None = None,
    driving: Path | None = None,
    options: Mapping[str, str] | None = None,
    overwrite: bool = False,
    tick: Tick = _no_tick,
) -> dict[str, Any]:
    """Translate the faces of a clip, defended as the settings say.

    Args:
        source: a video file.
        target: the file to write; it appears only when it is whole.
        models: those of an earlier clip with the same settings; loaded when absent.
        driving: reenact only: a clip whose expression, frame by frame, is the condition.
        options: further options of the encoder.
        overwrite: replace a target that exists.
        tick: called after every batch.

    Returns:
        The report (see `report.report_document`); the audit record lies beside the target.

    Raises:
        MagdrError: see `errors`; nothing is left under the target's name.
    """
    report = RunReport()
    with ClipReader(source, batch=settings.run.batch) as reader:
        refuse_hdr(reader.info, settings.output.hdr)
        models = models or load_models(settings)
        staged = stage_clip(settings, models, reader.info, report, driving=driving)
        with _writer(source, target, reader.info, settings, options or {}, overwrite) as writer:
            ahead = prefetch(iter(reader), PREFETCHED_BATCHES)
            for batch in _passed_through(ahead, staged, report, settings, tick):
                writer.write(batch)
            _gate(report, source)
        report.notes += [*models.notes, *reader.info.notes, *writer.notes]
        report.streams = list(writer.streams)
    staged.count_into(report)
    document = _document("defend", source, target, settings, models, report)
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
    with ClipReader(source, batch=settings.run.batch) as reader:
        refuse_hdr(reader.info, settings.output.hdr)
        models = models or load_models(settings)
        staged = judging_only(stage_clip(settings, models, reader.info, report))
        batches: Iterable[FrameBatch] = reader
        if sample:
            batches = sample_at_random(source, sample, settings.run.seed)
            report.notes.append(_sampling_note(batches, settings.run.seed))
        for _ in _passed_through(batches, staged, report, settings, tick):
            pass
        report.notes += [*models.notes, *reader.info.notes]
    staged.count_into(report)
    return _document("detect", source, None, settings, models, report)


def _sampling_note(drawn: Sequence[FrameBatch], seed: int) -> str:
    frames = ", ".join(str(batch.first_index) for batch in drawn)
    return f"judged on {len(drawn)} frames drawn at random (run.seed {seed}) only: {frames}"


def crops_of(
    source: Path, settings: Settings, models: Models
) -> Iterator[tuple[FrameBatch, FaceCrops]]:
    """Aligned crops of a clip as its generator wants them, batch by batch."""
    record = models.translator.record
    with ClipReader(source, batch=settings.run.batch) as reader:
        tracker = face_tracker(settings, reader.info, face_finder(settings, models))
        for batch, faces in tracker.track(reader):
            aspect = float(reader.info.sample_aspect)
            crops = align(batch, faces, record.size, record.alignment, models.device, aspect=aspect)
            yield batch, crops


def default_target(source: Path) -> Path:
    """`<stem>_defended<ext>` beside the input, in a container that carries exact times."""
    return source.with_name(f"{source.stem}_defended{target_suffix(source.suffix)}")


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


def check_paths(source: Path, target: Path, *, overwrite: bool) -> None:
    """Refuse before any work what the writer would refuse after it.

    Raises:
        OutputError: the target is the source, exists, or its folder does not.
    """
    if target.exists() and source.exists() and target.samefile(source):
        raise OutputError(f"{target} is the input", hint="choose another name with -o")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists", hint="-y overwrites, -n skips")
    if not target.parent.is_dir():
        raise OutputError(f"folder {target.parent} does not exist", hint="make it first")


def _writer(
    source: Path,
    target: Path,
    info: ClipInfo,
    settings: Settings,
    options: Mapping[str, str],
    overwrite: bool,
) -> ClipWriter:
    held = settings.output
    return ClipWriter(
        target,
        info,
        source=source,
        vcodec=held.vcodec or None,
        crf=held.crf,
        preset=held.preset or None,
        pix_fmt=held.pix_fmt or None,
        options=dict(options),
        metadata=provenance.output_metadata(settings.task, held.provenance, info.metadata),
        overwrite=overwrite,
    )


def _passed_through(
    batches: Iterable[FrameBatch], staged: Staged, report: RunReport, settings: Settings, tick: Tick
) -> Iterator[FrameBatch]:
    """The batches that leave the stages, counted once whoever takes them is done with them."""
    for batch in run(batches, staged.stages, report, strict=settings.run.strict):
        yield batch
        report.frames_out += len(batch)
        tick(report.frames_out, Fraction(int(batch.pts[-1])) * batch.time_base)


def _gate(report: RunReport, source: Path) -> None:
    """Frames out must equal frames in; checked on every run, not only in tests."""
    if report.frames_in != report.frames_out:
        raise RuntimeFailure(
            f"{source}: {report.frames_in} frames went in, {report.frames_out} came out"
        )


def _document(
    command: str,
    source: Path,
    target: Path | None,
    settings: Settings,
    models: Models,
    report: RunReport,
) -> dict[str, Any]:
    hashes = {"input": provenance.sha256_of(source)}
    if target is not None:
        hashes["output"] = provenance.sha256_of(target)
    return report_document(
        command=command,
        source=source,
        output=target,
        settings=settings,
        report=report,
        device=describe(models.device),
        weights=models.weights,
        libraries=provenance.library_versions(),
        hashes=hashes,
    )
