"""Stages of one clip, built from settings, with what they count."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.checkpoint import Memory
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.driving import Driving, read_driving
from magdr_video.errors import SettingsError
from magdr_video.faces.alignment import align
from magdr_video.faces.appearance import describer
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.parsing import CLASSES, parse
from magdr_video.faces.pasting import paste, paste_weight
from magdr_video.faces.reference import Reference, read_reference
from magdr_video.faces.regions import known_attributes, region_masks
from magdr_video.faces.selection import parse_choice
from magdr_video.faces.smoothing import Smoothing
from magdr_video.faces.tracker import FaceTracker
from magdr_video.loading import Models
from magdr_video.models.precision import computing
from magdr_video.pipeline import Neighbours, Stages
from magdr_video.reconstruction.cache import TrackCache
from magdr_video.reconstruction.memory import ChoiceMemory
from magdr_video.settings import Settings
from magdr_video.stages.chooser import Chooser
from magdr_video.stages.generator import CountedGenerator, Generate, chunk_for
from magdr_video.stages.inspector import Inspector, detection_period, parse_period, unjudged
from magdr_video.stages.masks import MaskCarrier
from magdr_video.stages.restorer import Restorer
from magdr_video.stages.translating import translate_by_verdict
from magdr_video.types import FaceCrops, Faces, FrameBatch, Masks, RunReport, Verdict
from magdr_video.video.clip_info import ClipInfo

MOST_DISTANCES = 12
"""Tracks whose distance to a picture is told, the closest first."""
TOOLS = (FaceDetector, PerturbationDetector, CountedGenerator, Chooser, Reference)
"""What stages use, and what therefore is no part of what they remember."""


@dataclass(frozen=True)
class Staged:
    """One clip's stages, and the parts that count what they do."""

    stages: Stages
    finder: FaceDetector
    tracker: FaceTracker
    memory: Memory = field(default_factory=dict)
    """The parts that remember something from one frame to the next, by name."""

    def scouted(self, batches: Iterator[FrameBatch], skip: int = 0) -> Iterator[FrameBatch]:
        """The clip's batches, the frames that are due searched for faces; for a thread ahead.

        Args:
            skip: number of the first frame that the stages will see.
        """
        every, aspect = self.tracker.searched_every, self.tracker.aspect
        return self.finder.scout(batches, every=every, aspect=aspect, skip=skip)

    def count_into(self, report: RunReport) -> None:
        """Write into the report what is known only once the last frame is through."""
        report.detector_passes = self.finder.passes
        report.tracks = self.tracker.tracks
        report.faces_filled = self.tracker.filled
        report.frames_unfilled = self.tracker.unfilled
        report.jitter = self.tracker.jitter
        if report.faces == 0:
            report.notes.append("no face was found: every frame is passed on unchanged")
        elif report.frames_without_face:
            report.notes.append(
                f"{report.frames_without_face} frames have no face; passed unchanged"
            )
        if self.tracker.reference is not None:
            report.notes.append(_likeness_note(self.tracker))
        if self.tracker.small:
            small = self.tracker.small
            report.notes.append(f"{small} faces are smaller than faces.min_size; unchanged")


def _likeness_note(tracker: FaceTracker) -> str:
    """The distances, so that the limit can be set."""
    assert tracker.reference is not None
    seen = sorted(tracker.likenesses, key=lambda one: one.distance)[:MOST_DISTANCES]
    told = ", ".join(f"{one.distance:.3f}{' (taken)' if one.is_chosen else ''}" for one in seen)
    return (
        f"--face {tracker.reference.path}: faces at distance {told or 'none'}; "
        f"faces.max_distance is {tracker.reference.limit:g}"
    )


def stage_clip(
    settings: Settings,
    models: Models,
    info: ClipInfo,
    report: RunReport,
    *,
    driving: Path | None = None,
) -> Staged:
    """The stages that translate a clip; they begin without any memory of other clips.

    Args:
        info: the clip.
        report: the stages add to its counters.
        driving: reenact only: a clip whose expression, frame by frame, is the condition.

    Raises:
        SettingsError: a driving clip for another task than reenact.
        InputError: the driving clip cannot be read or shows no face.
    """
    finder = face_finder(settings, models)
    tracker = face_tracker(settings, info, finder, models.device)
    chunk = chunk_for(models.device, one_by_one=models.translator.takes_one_face)

    def generator(*, half: bool) -> CountedGenerator:
        return CountedGenerator(_computed(models, half=half), report, chunk=chunk)

    inspected = generator(half=models.precision.inspection)
    inspect, reconstruct = _defence(settings, models, inspected, report)
    generate = generator(half=models.precision.translation)
    condition = _conditions(models, info, _drive(settings, models, finder, driving))
    stages = Stages(
        find_faces=tracker.track,
        align=_aligner(models, info, tracker, report),
        parse=_parser(settings, models, report, condition),
        condition=condition,
        inspect=inspect,
        reconstruct=reconstruct,
        translate=lambda restored, conditions, verdict: translate_by_verdict(
            generate, restored, conditions, verdict, use_drafts=models.precision.drafts_serve
        ),
        paste=_paste,
        reach=max(getattr(inspect, "reach", 0), getattr(reconstruct, "reach", 0)),
    )
    return Staged(stages, finder, tracker, _memory(stages, tracker, report))


def _computed(models: Models, *, half: bool) -> Generate:
    """The generator in the precision that is asked for."""

    def generate(crops: Tensor, condition: Tensor) -> Tensor:
        with computing(models.device, half=half):
            return models.translator.translate(crops, condition).float()

    return generate


def _memory(stages: Stages, tracker: FaceTracker, report: RunReport) -> dict[str, object]:
    """Objects that remember; stages that are plain functions do not."""
    held = {field.name: getattr(stages, field.name) for field in dataclasses.fields(stages)}
    objects = {name: stage for name, stage in held.items() if dataclasses.is_dataclass(stage)}
    return {"tracker": tracker, "report": report, **objects}


def judging_only(staged: Staged) -> Staged:
    """The same without translating and pasting what nobody will see."""
    stages = dataclasses.replace(
        staged.stages,
        translate=lambda restored, conditions, verdict: restored,
        paste=lambda batch, crops, translated, masks: batch,
    )
    return dataclasses.replace(staged, stages=stages)


def face_finder(settings: Settings, models: Models) -> FaceDetector:
    """The face detector, on the processor in any case.

    Its many small calls keep a GPU's host busier than the nets themselves: 28 ms a frame on an
    H200, which worked in 2 % of them, against 6 ms on one core.
    """
    faces = settings.faces
    return FaceDetector("cpu", long_side=faces.long_side, threshold=faces.threshold)


def face_tracker(
    settings: Settings, info: ClipInfo, finder: FaceDetector, device: torch.device
) -> FaceTracker:
    """A tracker for one clip.

    Raises:
        InputError: `faces.which` is a picture that cannot be read or shows no face.
    """
    faces = settings.faces
    reference = None
    if parse_choice(faces.which)[0] == "picture":
        limit = faces.max_distance
        reference = read_reference(Path(faces.which), finder, device, limit=limit)
    return FaceTracker(
        finder,
        refine=finder.refine,
        period=faces.period,
        max_gap_seconds=faces.max_gap,
        which=faces.which,
        aspect=float(info.sample_aspect),
        min_size=faces.min_size,
        smoothing=Smoothing.of_strength(faces.smoothing),
        describe=describer(device, float(info.sample_aspect)),
        reference=reference,
    )


def _aligner(
    models: Models, info: ClipInfo, tracker: FaceTracker, report: RunReport
) -> Callable[[FrameBatch, Faces], FaceCrops]:
    record, aspect = models.translator.record, float(info.sample_aspect)

    def cut(batch: FrameBatch, faces: Faces) -> FaceCrops:
        report.tracks = tracker.tracks
        return align(batch, faces, record.size, record.alignment, models.device, aspect=aspect)

    return cut


def _parser(
    settings: Settings,
    models: Models,
    report: RunReport,
    condition: Callable[[FrameBatch, FaceCrops], Tensor],
) -> MaskCarrier:
    names = asked_for(models.translator.record.conditions, models.condition)

    def parse_classes(crops: Tensor) -> Tensor:
        with torch.no_grad():
            return parse(crops, models.parser, models.parser_size, half=models.precision.parser)

    def to_masks(probabilities: Tensor) -> Masks:
        classes, attention = probabilities[:, :CLASSES], probabilities[:, CLASSES:]
        held = attention if models.by_attention else None
        return region_masks(classes, settings.task, known_attributes(names), held)

    def attend(batch: FrameBatch, crops: FaceCrops, rows: list[int]) -> Tensor:
        report.generator_passes += len(rows)
        held = models.target_attention(crops.data[rows], condition(batch, crops)[rows])
        assert held is not None
        return held

    return MaskCarrier(
        parse_classes,
        to_masks,
        parse_period(settings),
        report,
        attend if models.by_attention else None,
    )


def asked_for(names: Sequence[str], values: Sequence[float]) -> tuple[str, ...]:
    """Names of the condition that ask for a change; a hair colour of 0 asks for nothing."""
    pairs = zip(names, values, strict=True)
    return tuple(n for n, v in pairs if v == 1 or (v == 0 and not n.endswith("_Hair")))


def _conditions(
    models: Models, info: ClipInfo, driving: Driving | None
) -> Callable[[FrameBatch, FaceCrops], Tensor]:
    def condition(batch: FrameBatch, crops: FaceCrops) -> Tensor:
        if driving is None:
            return models.translator.condition(models.condition, len(crops))
        ticks = [int(batch.pts[frame]) - info.first_pts for frame in crops.faces.frame]
        seconds = [tick * batch.time_base for tick in ticks]
        return driving.conditions(seconds).to(models.device)

    return condition


def _drive(
    settings: Settings, models: Models, finder: FaceDetector, clip: Path | None
) -> Driving | None:
    if clip is None:
        return None
    if settings.task != "reenact":
        raise SettingsError(f"--driving steers reenact, the task is {settings.task}")
    return read_driving(clip, settings, models.device, finder)


def _defence(
    settings: Settings, models: Models, generate: Generate, report: RunReport
) -> tuple[Callable[..., Verdict], Callable[..., Tensor]]:
    """The two halves of the method, or stand-ins for what is switched off."""
    if models.table is None:
        return _judge_nothing, _restore_nothing
    detector = PerturbationDetector(generate, models.table, decide=settings.detection.decide)
    holds = settings.reconstruction.cache
    cache = TrackCache(period=detection_period(settings), holds=holds)
    inspector = Inspector(detector, cache, report)
    held = settings.reconstruction
    if not held.enabled:
        return inspector, _restore_nothing
    chooser = Chooser(detector, models.recnet, held.search_budget, report)
    window = held.window or models.recnet.window
    return inspector, Restorer(chooser, ChoiceMemory(holds=holds), report, window)


def _judge_nothing(
    batch: FrameBatch, crops: FaceCrops, masks: Masks, conditions: Tensor, around: Neighbours
) -> Verdict:
    return unjudged(crops, masks)


def _restore_nothing(
    batch: FrameBatch,
    crops: FaceCrops,
    masks: Masks,
    conditions: Tensor,
    verdict: Verdict,
    around: Neighbours,
) -> Tensor:
    return crops.data


def _paste(batch: FrameBatch, crops: FaceCrops, translated: Tensor, masks: Masks) -> FrameBatch:
    # Nobody looks at the decoded frames after this; the writer takes what is left in them.
    return paste(batch, crops, translated, paste_weight(crops, masks), in_place=True)
