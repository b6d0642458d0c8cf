"""One clip from file to file: reader and writer around the loop, stages built from settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from magdr_video import provenance
from magdr_video.detection.calibration import Calibration, load_calibration
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.device import choose_device, describe, set_threads
from magdr_video.driving import Driving, read_driving
from magdr_video.errors import OutputError, RuntimeFailure, SettingsError
from magdr_video.faces.alignment import align
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.parsing import parse
from magdr_video.faces.pasting import paste, paste_weight
from magdr_video.faces.regions import region_masks
from magdr_video.faces.smoothing import Smoothing
from magdr_video.faces.tracker import FaceTracker
from magdr_video.models import zoo
from magdr_video.pipeline import Neighbours, Stages, run
from magdr_video.reconstruction.cache import TrackCache
from magdr_video.report import report_document
from magdr_video.settings import Settings, preset_folder
from magdr_video.stages import (
    CountedGenerator,
    Inspector,
    MaskCarrier,
    Restorer,
    detection_period,
    translate_by_verdict,
    unjudged,
)
from magdr_video.translation import Translator, condition_values, load_translator
from magdr_video.types import FaceCrops, FrameBatch, Masks, RunReport, Verdict
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.prefetch import prefetch
from magdr_video.video.reader import ClipReader
from magdr_video.video.target import target_suffix
from magdr_video.video.writer import ClipWriter

Tick = Callable[[int, Fraction], None]
"""Progress: frames done and the time reached in the clip, in seconds."""

PREFETCHED_BATCHES = 2


def _no_tick(frames: int, seconds: Fraction) -> None:
    pass


@dataclass(frozen=True)
class Models:
    """The networks of a run, loaded once and shared by all its clips."""

    device: torch.device
    translator: Translator
    parser: torch.nn.Module
    parser_size: int
    table: Calibration | None
    condition: tuple[float, ...]
    weights: Mapping[str, str]
    """SHA-256 by name."""
    notes: tuple[str, ...] = field(default=())


def load_models(settings: Settings) -> Models:
    """Load what the settings name.

    Raises:
        DeviceError: the device asked for is not there.
        WeightsError: weights are missing or not what they claim to be.
        SettingsError: weights of another task, an unknown condition, no calibration table.
    """
    set_threads()
    device = choose_device(settings.run.device)
    translator = load_translator(settings.model.generator, device)
    if translator.record.task != settings.task:
        raise SettingsError(
            f"'{translator.record.name}' is for the task {translator.record.task}, "
            f"the settings say {settings.task}",
            hint="name weights of this task in model.generator",
        )
    about = settings.condition
    condition = condition_values(
        translator.record,
        attributes=about.attributes,
        expression=about.expression,
        strength=about.strength,
    )
    parser = zoo.find(settings.model.parser)
    table, notes = _calibration(settings, translator)
    weights = {record.name: record.sha256 for record in (translator.record, parser)}
    return Models(
        device=device,
        translator=translator,
        parser=zoo.load(parser, device),
        parser_size=parser.size,
        table=table,
        condition=condition,
        weights=weights,
        notes=notes,
    )


def _calibration(
    settings: Settings, translator: Translator
) -> tuple[Calibration | None, tuple[str, ...]]:
    if not settings.detection.enabled:
        return None, ()
    named = settings.detection.table
    path = Path(named) if named else preset_folder() / "tables" / f"{settings.task}.toml"
    table = load_calibration(path)
    if table.model == translator.record.sha256:
        return table, ()
    message = f"table {path.name} was calibrated for other weights than {translator.record.name}"
    if settings.run.strict:
        raise SettingsError(message, hint="run: python -m magdr_video.training.calibrate")
    return table, (message,)


def _stages(
    settings: Settings,
    models: Models,
    info: ClipInfo,
    report: RunReport,
    tracker: FaceTracker,
    driving: Driving | None,
) -> Stages:
    record = models.translator.record
    aspect = float(info.sample_aspect)
    names = _asked(record.conditions, models.condition)
    generate = CountedGenerator(models.translator.translate, report)

    def parse_classes(crops: Tensor) -> Tensor:
        with torch.no_grad():
            return parse(crops, models.parser, models.parser_size)

    def to_masks(probabilities: Tensor) -> Masks:
        return region_masks(probabilities, settings.task, names)

    def cut(batch: FrameBatch, faces: Any) -> FaceCrops:
        report.tracks = tracker.tracks
        return align(batch, faces, record.size, record.alignment, models.device, aspect=aspect)

    def condition(batch: FrameBatch, crops: FaceCrops) -> Tensor:
        if driving is None:
            return models.translator.condition(models.condition, len(crops))
        seconds = [Fraction(int(batch.pts[frame])) * batch.time_base for frame in crops.faces.frame]
        return driving.conditions(seconds).to(models.device)

    def put(batch: FrameBatch, crops: FaceCrops, translated: Tensor, masks: Masks) -> FrameBatch:
        return paste(batch, crops, translated, paste_weight(crops, masks))

    def passed(
        batch: FrameBatch,
        crops: FaceCrops,
        masks: Masks,
        conditions: Tensor,
        verdict: Verdict,
        around: Neighbours,
    ) -> Tensor:
        return crops.data

    inspect: Callable[..., Verdict] = lambda batch, crops, masks, conditions: unjudged(  # noqa: E731
        crops, masks
    )
    reconstruct: Callable[..., Tensor] = passed
    if models.table is not None:
        detector = PerturbationDetector(generate, models.table)
        cache = TrackCache(period=detection_period(settings))
        inspect = Inspector(detector, cache, report)
        if settings.reconstruction.enabled:
            held = settings.reconstruction
            reconstruct = Restorer(detector, cache, report, held.window, held.search_budget)
    return Stages(
        find_faces=tracker.track,
        align=cut,
        parse=MaskCarrier(parse_classes, to_masks, settings.detection.parse_period, report),
        condition=condition,
        inspect=inspect,
        reconstruct=reconstruct,
        translate=lambda restored, conditions, verdict: translate_by_verdict(
            generate, restored, conditions, verdict
        ),
        paste=put,
    )


def _asked(names: Sequence[str], values: Sequence[float]) -> tuple[str, ...]:
    """Names of the condition that ask for a change; a hair colour of 0 asks for nothing."""
    pairs = zip(names, values, strict=True)
    return tuple(n for n, v in pairs if v == 1 or (v == 0 and not n.endswith("_Hair")))


def _tracker(settings: Settings, info: ClipInfo, finder: FaceDetector) -> FaceTracker:
    faces = settings.faces
    return FaceTracker(
        finder,
        period=faces.period,
        max_gap_seconds=faces.max_gap,
        which=faces.which,
        aspect=float(info.sample_aspect),
        min_size=faces.min_size,
        smoothing=Smoothing.of_strength(faces.smoothing),
    )


def _finder(settings: Settings, models: Models) -> FaceDetector:
    faces = settings.faces
    return FaceDetector(models.device, long_side=faces.long_side, threshold=faces.threshold)


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


def default_target(source: Path) -> Path:
    """`<stem>_defended<ext>` beside the input, in a container that carries exact times."""
    return source.with_name(f"{source.stem}_defended{target_suffix(source.suffix)}")


def _drive(settings: Settings, models: Models, clip: Path | None) -> Driving | None:
    if clip is None:
        return None
    if settings.task != "reenact":
        raise SettingsError(f"--driving steers reenact, the task is {settings.task}")
    return read_driving(clip, settings, models.device, _finder(settings, models))


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
    marks = settings.output
    with ClipReader(source, batch=settings.run.batch) as reader:
        refuse_hdr(reader.info, marks.hdr)
        models = models or load_models(settings)
        finder = _finder(settings, models)
        tracker = _tracker(settings, reader.info, finder)
        held = _drive(settings, models, driving)
        stages = _stages(settings, models, reader.info, report, tracker, held)
        metadata = provenance.output_metadata(settings.task, marks.provenance, reader.info.metadata)
        with ClipWriter(
            target,
            reader.info,
            source=source,
            vcodec=marks.vcodec or None,
            crf=marks.crf,
            preset=marks.preset or None,
            pix_fmt=marks.pix_fmt or None,
            options=dict(options or {}),
            metadata=metadata,
            overwrite=overwrite,
        ) as writer:
            ahead = prefetch(iter(reader), PREFETCHED_BATCHES)
            for batch in run(ahead, stages, report, strict=settings.run.strict):
                writer.write(batch)
                report.frames_out += len(batch)
                tick(report.frames_out, _seconds_reached(batch))
            _gate(report, source)
        report.notes += [*models.notes, *reader.info.notes, *writer.notes]
        report.streams = list(writer.streams)
    report.detector_passes = finder.passes
    report.tracks = tracker.tracks
    _note_faces(report, tracker)
    document = report_document(
        command="defend",
        source=source,
        output=target,
        settings=settings,
        report=report,
        device=describe(models.device),
        weights=models.weights,
        libraries=provenance.library_versions(),
        hashes={"input": provenance.sha256_of(source), "output": provenance.sha256_of(target)},
    )
    provenance.write_json(provenance.record_path(target), document)
    return document


def _seconds_reached(batch: FrameBatch) -> Fraction:
    return Fraction(int(batch.pts[-1])) * batch.time_base


def _gate(report: RunReport, source: Path) -> None:
    """Frames out must equal frames in; checked on every run, not only in tests."""
    if report.frames_in != report.frames_out:
        raise RuntimeFailure(
            f"{source}: {report.frames_in} frames went in, {report.frames_out} came out"
        )


def _note_faces(report: RunReport, tracker: FaceTracker) -> None:
    if report.faces == 0:
        report.notes.append("no face was found: every frame is passed on unchanged")
    elif report.frames_without_face:
        report.notes.append(f"{report.frames_without_face} frames have no face; passed unchanged")
    if tracker.small:
        report.notes.append(f"{tracker.small} faces are smaller than faces.min_size; unchanged")


def detect_clip(
    source: Path, settings: Settings, *, models: Models | None = None, tick: Tick = _no_tick
) -> dict[str, Any]:
    """Judge a clip's faces without writing anything; the report's `run.verdicts` says it all.

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
        finder = _finder(settings, models)
        tracker = _tracker(settings, reader.info, finder)
        stages = _stages(settings, models, reader.info, report, tracker, None)
        # Nothing is written, so nothing but the inspected faces is translated.
        stages = dataclasses.replace(
            stages,
            translate=lambda restored, conditions, verdict: restored,
            paste=lambda batch, crops, translated, masks: batch,
        )
        for batch in run(iter(reader), stages, report, strict=settings.run.strict):
            report.frames_out += len(batch)
            tick(report.frames_out, _seconds_reached(batch))
        report.notes += [*models.notes, *reader.info.notes]
    report.detector_passes, report.tracks = finder.passes, tracker.tracks
    _note_faces(report, tracker)
    return report_document(
        command="detect",
        source=source,
        output=None,
        settings=settings,
        report=report,
        device=describe(models.device),
        weights=models.weights,
        libraries=provenance.library_versions(),
        hashes={"input": provenance.sha256_of(source)},
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


def crops_of(
    source: Path, settings: Settings, models: Models
) -> Iterator[tuple[FrameBatch, FaceCrops]]:
    """Aligned crops of a clip as its generator wants them, batch by batch."""
    record = models.translator.record
    with ClipReader(source, batch=settings.run.batch) as reader:
        tracker = _tracker(settings, reader.info, _finder(settings, models))
        for batch, faces in tracker.track(reader):
            aspect = float(reader.info.sample_aspect)
            crops = align(batch, faces, record.size, record.alignment, models.device, aspect=aspect)
            yield batch, crops
