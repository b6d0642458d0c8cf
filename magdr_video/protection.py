"""Protect a clip: perturb its faces so that a generator breaks on them, and say how well.

The perturbation is made on the aligned crops, and only the change is pasted back, so that pixels
outside the crops stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magdr_video import provenance
from magdr_video.attacks.motion import Motion
from magdr_video.attacks.problem import Options, Problem
from magdr_video.attacks.reaching import Reaching
from magdr_video.attacks.registry import CHUNK, attack
from magdr_video.attacks.tracks import TrackSample, track_change, with_change
from magdr_video.device import describe
from magdr_video.encoding import Encoding, chosen_encoding, later_encodings
from magdr_video.errors import RuntimeFailure
from magdr_video.faces.carried import Carried
from magdr_video.faces.pasting import paste, paste_weight
from magdr_video.pipeline import Clock
from magdr_video.report import report_document
from magdr_video.runs import Models, Tick, crops_of, load_models, refuse_hdr
from magdr_video.settings import ProtectionSettings, Settings
from magdr_video.survival import Tally, measure_variants
from magdr_video.translation import condition_set
from magdr_video.types import FaceCrops, FrameBatch, RunReport
from magdr_video.video.clip_info import ClipInfo
from magdr_video.video.reader import probe
from magdr_video.video.writer import ClipWriter

LEVELS_OF_EPSILON = 127.5
"""8-bit levels of 1 in [-1, 1] units."""


def protect_clip(
    source: Path,
    target: Path,
    settings: Settings,
    models: Models | None = None,
    *,
    options: Mapping[str, str] | None = None,
    overwrite: bool = False,
    tick: Tick = lambda frames, seconds: None,
) -> dict[str, Any]:
    """Write the clip with perturbed faces, as `settings.protection` says.

    Args:
        source: a video file.
        target: the file to write; it appears only when it is whole.
        models: those of an earlier clip with the same settings; loaded when absent.
        options: further options of the encoder, where the output is not lossless.
        tick: called after every batch.

    Returns:
        The report; its entry 'protection' says what was done, how far the generator's output is
        disrupted, what encoding left of that, and what the encoder does alone. The audit record
        lies beside the target.

    Raises:
        MagdrError: see `errors`; nothing is left under the target's name.
    """
    info, held = probe(source), settings.protection
    refuse_hdr(info, settings.output.hdr)
    metadata = provenance.protection_metadata(
        in_words(settings), settings.output.provenance, info.metadata
    )
    encoding = chosen_encoding(target, info, settings, options or {})
    later = later_encodings(held) if held.lossless else ()
    models = models or load_models(settings)
    report = RunReport(notes=[*models.notes, *info.notes])
    passes, clock = models.translator.passes, Clock(report)
    with TemporaryDirectory() as folder:
        writing = _Writing(source, info, Path(folder), encoding, later)
        with ExitStack() as stack:
            writer = stack.enter_context(
                encoding.writer(target, info, source, metadata=metadata, overwrite=overwrite)
            )
            run = _Protection(source, settings, models, report, clock)
            copies = [stack.enter_context(copy) for copy in writing.copies()]
            for batch, protected in run.batches():
                writer.write(protected)
                for copy, clean in zip(copies, writing.shows_clean, strict=True):
                    copy.write(batch if clean else protected)
                report.frames_out += len(batch)
                tick(report.frames_out, Fraction(int(batch.pts[-1])) * batch.time_base)
            if report.frames_in != report.frames_out:
                raise RuntimeFailure(
                    f"{source}: {report.frames_in} frames in, {report.frames_out} out"
                )
        report.streams, notes = list(writer.streams), list(writer.notes)
        report.notes += notes
        with clock.running("measure"):
            tallies = measure_variants(
                source,
                {encoding.name: target} | writing.files,
                run.faces,
                settings,
                models,
                targeted=run.targeted,
            )
    run.note_faces()
    report.generator_passes = models.translator.passes - passes
    document = report_document(
        command="protect",
        source=source,
        output=target,
        settings=settings,
        report=report,
        device=describe(models.device),
        weights=models.weights,
        libraries=provenance.library_versions(),
        hashes={"input": provenance.sha256_of(source), "output": provenance.sha256_of(target)},
    )
    rows = [run.tally.row("perturbed crops, before pasting and encoding")]
    rows += [tally.row(name) for name, tally in tallies.items()]
    document["protection"] = _about(settings) | {"faces": report.faces, "rows": rows}
    provenance.write_json(provenance.record_path(target), document)
    return document


def in_words(settings: Settings) -> str:
    """The perturbation in a few words, epsilon with its 8-bit value."""
    held = settings.protection
    return (
        f"{held.method}, epsilon {held.epsilon:g} ({held.epsilon * LEVELS_OF_EPSILON:g}/255), "
        f"{held.mode}, against {settings.task}"
    )


def _about(settings: Settings) -> dict[str, Any]:
    held = settings.protection
    return {
        "method": held.method,
        "epsilon": held.epsilon,
        "epsilon_of_255": round(held.epsilon * LEVELS_OF_EPSILON, 4),
        "steps": held.steps or None,
        "step_size": held.step_size or None,
        "restarts": held.restarts,
        "mode": held.mode,
        "seed": settings.run.seed,
    }


def attack_options(held: ProtectionSettings, seed: int) -> Options:
    """Settings as an attack takes them: what is 0 there is the method's own."""
    return Options(
        epsilon=held.epsilon,
        steps=held.steps or None,
        step_size=held.step_size or None,
        restarts=held.restarts,
        seed=seed,
    )


@dataclass
class _Writing:
    """Copies of the clip that are written only to be measured."""

    source: Path
    info: ClipInfo
    folder: Path
    encoding: Encoding
    later: tuple[Encoding, ...]
    files: dict[str, Path] = field(default_factory=dict)
    """By the name of their row."""
    shows_clean: list[bool] = field(default_factory=list)

    def copies(self) -> Iterator[ClipWriter]:
        """A writer for each: the encoder alone, then later encodings with and without."""
        yield self._copy(self.encoding, f"{self.encoding.name}, codec alone", clean=True)
        for encoding in self.later:
            yield self._copy(encoding, f"then {encoding.name}", clean=False)
            yield self._copy(encoding, f"{encoding.name}, codec alone", clean=True)

    def _copy(self, encoding: Encoding, name: str, *, clean: bool) -> ClipWriter:
        path = self.folder / f"{len(self.files)}{encoding.suffix}"
        self.files[name] = path
        self.shows_clean.append(clean)
        return encoding.writer(path, self.info, None)


class _Protection:
    """Perturbs the faces of one clip, batch by batch, and counts."""

    def __init__(
        self, source: Path, settings: Settings, models: Models, report: RunReport, clock: Clock
    ) -> None:
        self.source, self.settings, self.models = source, settings, models
        self.report, self.clock = report, clock
        self.options = attack_options(settings.protection, settings.run.seed)
        self.targeted = settings.task == "replace"
        self.conditions = torch.tensor(
            condition_set(models.translator.record, models.condition), device=models.device
        )
        self.tally = Tally(self.targeted)
        self.faces: list[Any] = []
        self._tracks: set[int] = set()
        self._changes: dict[int, Tensor] = {}
        self._motions: dict[int, Motion] = {}

    def batches(self) -> Iterator[tuple[FrameBatch, FrameBatch]]:
        """Clean and protected frames, in order."""
        if self.settings.protection.mode != "frame":
            with self.clock.running("plan"):
                self._plan()
        for batch, crops in crops_of(self.source, self.settings, self.models):
            self.report.frames_in += len(batch)
            self.faces.append(crops.faces)
            self._tracks.update(crops.faces.track.tolist())
            self.report.frames_without_face += len(batch) - len(np.unique(crops.faces.frame))
            yield batch, self._protected(batch, crops) if len(crops) else batch
            self.report.faces += len(crops)

    def note_faces(self) -> None:
        """Say what was left as it is."""
        self.report.tracks = len(self._tracks)
        if self.report.faces == 0:
            self.report.notes.append("no face was found: every frame is passed on unchanged")
        elif self.report.frames_without_face:
            self.report.notes.append(
                f"{self.report.frames_without_face} frames have no face; passed unchanged"
            )

    def _protected(self, batch: FrameBatch, crops: FaceCrops) -> FrameBatch:
        weight = paste_weight(crops)
        with self.clock.running("attack"):
            perturbed = self._perturbed(batch, crops, weight)
        translator = self.models.translator
        with self.clock.running("measure"), torch.no_grad():
            condition = translator.condition(self.models.condition, len(crops))
            clean, broken = (translator.translate(x, condition) for x in (crops.data, perturbed))
            self.tally.add(crops.data, clean, perturbed, broken)
        with self.clock.running("paste"):
            return paste(batch, crops, perturbed, weight)

    def _perturbed(self, batch: FrameBatch, crops: FaceCrops, weight: Tensor) -> Tensor:
        held = self.settings.protection
        if held.mode == "frame":
            starts = range(0, len(crops), CHUNK)
            parts = [
                self._attacked(
                    batch, crops.piece(rows), weight[rows], self.report.faces + rows.start
                )
                for rows in (slice(at, at + CHUNK) for at in starts)
            ]
            return torch.cat(parts)
        rows = [
            with_change(crop[None], self._changes[track], self._grid(track, crop), held.epsilon)
            for track, crop in zip(crops.faces.track.tolist(), crops.data, strict=True)
        ]
        return torch.cat(rows)

    def _attacked(self, batch: FrameBatch, crops: FaceCrops, weight: Tensor, first: int) -> Tensor:
        """Crops with a perturbation each, made so that it arrives in the frame."""
        carried = Carried(batch, crops, weight)
        problem = Problem(
            generate=Reaching(self.models.translator, carried),
            images=crops.data,
            condition=self.conditions[:, None].expand(-1, len(crops), -1),
            target=crops.data if self.targeted else None,
            first=first,
        )
        return attack(self.settings.protection.method, problem, self.options).images

    def _grid(self, track: int, crop: Tensor) -> Tensor | None:
        if self.settings.protection.mode == "shared":
            return None
        return self._motions.setdefault(track, Motion()).advance(crop)[None]

    def _plan(self) -> None:
        """One pass over the clip, to make each track's perturbation on crops from all of it."""
        held, samples = self.settings.protection, dict[int, TrackSample]()
        for _, crops in crops_of(self.source, self.settings, self.models):
            for track, crop in zip(crops.faces.track.tolist(), crops.data, strict=True):
                grid = self._grid(track, crop)
                kept = None if grid is None else grid[0]
                samples.setdefault(track, TrackSample()).add(crop, kept)
        self._motions.clear()
        for track, sample in samples.items():
            self._changes[track] = track_change(
                held.method,
                self.models.translator.translate,
                sample,
                self.conditions,
                self.options,
                targeted=self.targeted,
                number=track,
            )
