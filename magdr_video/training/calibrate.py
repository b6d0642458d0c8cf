"""Fit a task's calibration table: what is normal on clean faces, thresholds, the combined score.

    magdr-video train calibrate --task reenact --data ../shared/data

Thresholds see clean faces only (METHOD 5.5), those of other identities than the statistics; the
figures in the table's head are of identities and clips that neither has seen.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.detection.calibration import Calibration, load_calibration
from magdr_video.detection.measurement import Measurement, join, pick
from magdr_video.faces.regions import REGIONS, TARGET
from magdr_video.loading import load_models
from magdr_video.models import zoo
from magdr_video.models.trunk import to_model_range
from magdr_video.settings import TASKS, load_settings, preset_folder
from magdr_video.training.attacked_faces import attack
from magdr_video.training.calibration_faces import (
    ATTACKED,
    CHECKED_CLIPS,
    CRITERIA,
    FITTED_CLIPS,
    FRAMED,
    HELD_OUT_CLIPS,
    TRANSFORMS,
    Subject,
    gather,
    in_turn,
    measure_faces,
)
from magdr_video.training.calibration_fit import (
    CLASSES,
    fit_scores,
    fit_statistics,
    fit_thresholds,
)
from magdr_video.training.calibration_report import HARD, clean_rate, held_out_lines
from magdr_video.training.calibration_table import table_text
from magdr_video.training.clean_faces import CLEAN, ROUGH, list_hash, unseen_files
from magdr_video.training.drawn_conditions import DrawnConditions, draw_conditions
from magdr_video.transforms import parse_chain
from magdr_video.transforms.purify import WEIGHTS as PURIFIER
from magdr_video.types import TransformChoice

SEED = 1234
TURNS = (0, 4)
"""Where in the kinds of clean input a fitting face begins: each takes two of them. Validation
faces take one, so that they are independent of each other."""

SHOWN = ("lossless", "h264 crf 23", "in a frame", "in a frame, crf 23")
"""What becomes of the attacked faces of the figures."""

CLASS_OF = {"lossless": "lossless", "in a frame": "framed"}
"""Class of a kind of attacked faces; the others are compressed."""

DEFAULT_CHAIN = "guided(eps=0.003)"
"""Of a table that is the first of its task."""

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Plan:
    """How much is measured, and from where."""

    data: Path
    faces: int
    """Photographs that the statistics are fitted on."""
    checked: int
    """Clean faces that set the thresholds; 300 without a false positive bound it by 1 %. Where
    there are fewer photographs, each is looked at in several kinds."""
    attacked: int
    """Of the fitting faces, attacked."""
    held_out: int
    frames: int
    """Faces of each clip."""
    cache: Path | None = None


def repeated(files: list[Path], count: int) -> list[Path]:
    """`count` of the files, from the start again when they are used up.

    Each round begins one place later, so that a face comes in another kind of `in_turn`, ten kinds
    and 53 files given; the sixth round has the kinds of the first, under other conditions.
    """
    rounds = itertools.count()
    held: list[Path] = []
    while len(held) < count:
        first = next(rounds) % len(files)
        held += files[first:] + files[:first]
    return held[:count]


class Calibrator:
    """Measures the faces of a plan for one generator; what a cache holds is not measured again."""

    def __init__(self, subject: Subject, plan: Plan) -> None:
        self.subject = subject
        self.plan = plan
        self.transforms = tuple(parse_chain(text) for text in TRANSFORMS)
        files = unseen_files(plan.data, judged=False)
        order = torch.randperm(len(files), generator=torch.Generator().manual_seed(SEED)).tolist()
        chosen = [files[place] for place in order]
        few = min(plan.faces, len(chosen) // 2)
        self.fitting, self.checking = chosen[:few], repeated(chosen[few:], plan.checked)
        unseen = unseen_files(plan.data, judged=True)
        self.unseen = unseen[:: max(1, len(unseen) // plan.held_out)][: plan.held_out]

    def clips(self, names: tuple[str, ...]) -> list[Path]:
        """Those of the named clips that the data hold."""
        paths = [self.plan.data / "clips" / name for name in names]
        return [path for path in paths if path.is_file()]

    @property
    def digest(self) -> str:
        """SHA-256 of the sorted SHA-256 of all files that shaped the table."""
        clips = self.clips(FITTED_CLIPS + CHECKED_CLIPS)
        return list_hash([*self.fitting, *set(self.checking), *clips])

    def draw(self, count: int, salt: int) -> DrawnConditions:
        """Conditions for `count` faces."""
        return draw_conditions(
            self.subject.task,
            count,
            names=self.subject.models.translator.record.conditions,
            driven=self.driven,
            generator=torch.Generator().manual_seed(SEED + salt),
        )

    @property
    def driven(self) -> Tensor:
        """Expressions of the fitting faces, (M, 17): what a driving clip may ask for."""
        if self.subject.task != "reenact":
            return torch.zeros(0, 0)
        record = zoo.find(self.subject.settings.model.au_estimator)
        faces = gather(self.subject, self.fitting, self.clips(FITTED_CLIPS), 4)
        with torch.no_grad():
            out: Tensor = zoo.load(record, self.subject.device)(to_model_range(faces))
        return out.cpu()

    def kept(self, name: str, make: Callable[[], Tensors], *shaped_by: object) -> Tensors:
        """What `make` gives, from the cache where it is; `shaped_by` is what else it rests on."""
        if self.plan.cache is None:
            return make()
        models = self.subject.models.weights
        parts = (sorted(models.items()), name, self.digest, SEED, str(self.plan), shaped_by)
        key = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
        path = self.plan.cache / f"{self.subject.task}-{name}-{key}.pt"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}.part")
            torch.save(make(), part)
            part.replace(path)
        held: Tensors = torch.load(path, weights_only=True, map_location=self.subject.device)
        return held

    def measured(self, name: str, crops: Tensor, drawn: DrawnConditions) -> Measurement:
        """Measure crops under drawn conditions."""
        held = self.kept(
            name,
            lambda: vars(measure_faces(self.subject, crops, drawn, self.transforms)),
            TRANSFORMS,
            zoo.find(PURIFIER).sha256,
        )
        return Measurement(**held).cpu()

    def attacked(
        self, name: str, faces: Tensor, drawn: DrawnConditions, seed: int
    ) -> dict[str, Tensor]:
        """Clean faces attacked under drawn conditions, by what becomes of them afterwards."""

        translator = self.subject.models.translator

        def broken(in_frame: bool) -> Tensor:
            make = lambda: {  # noqa: E731
                "crops": attack(translator, faces, drawn.values, seed, in_frame=in_frame)
            }
            return self.kept(f"{name}-{'framed' if in_frame else 'crops'}", make)["crops"]

        plain, framed = broken(False), broken(True)
        crops = {kind: make(plain) for kind, make in ATTACKED.items()}
        return crops | {kind: make(framed) for kind, make in FRAMED.items()}

    def fitting_clean(self) -> tuple[Measurement, Tensor]:
        """The fitting faces in several kinds and conditions, and their places in `CLASSES`."""
        kinds = list(CLEAN)
        faces = gather(self.subject, self.fitting, self.clips(FITTED_CLIPS), self.plan.frames)
        turns = [kinds[place:] + kinds[:place] for place in TURNS]
        crops = torch.cat([in_turn(faces, turn) for turn in turns])
        rough = [turn[place % len(turn)] in ROUGH for turn in turns for place in range(len(faces))]
        held = self.measured("fitting", crops, self.draw(len(crops), 1))
        return held, torch.tensor(rough).long()

    def fitting_attacked(self) -> tuple[Measurement, Tensor]:
        """Attacked faces as they are and compressed, and their places in `CLASSES`."""
        few = self.fitting[: self.plan.attacked]
        faces = gather(self.subject, few, self.clips(FITTED_CLIPS), self.plan.frames // 2)
        drawn = self.draw(len(faces), 2)
        parts, classes = [], []
        for kind, crops in self.attacked("fitting", faces, drawn, SEED).items():
            parts.append(self.measured(f"fitting-{kind}", crops, drawn))
            place = CLASSES.index(CLASS_OF.get(kind, "compressed"))
            classes.append(torch.full((len(faces),), place))
        return join(parts), torch.cat(classes)

    def checking_clean(self) -> Measurement:
        """The validation faces, each in one kind under one condition.

        Noise with the power of a perturbation is taught as clean, but sets no threshold: it is
        what an attack on a generator that keeps most pixels looks like, and a threshold that
        lets all of it pass lets such attacks pass.
        """
        clips, kinds = self.clips(CHECKED_CLIPS), list(CLEAN)
        faces = gather(self.subject, self.checking, clips, self.plan.frames)
        held = self.measured("checking", in_turn(faces, kinds), self.draw(len(faces), 3))
        places = [i for i in range(len(faces)) if kinds[i % len(kinds)] != "strong noise"]
        return pick(held, places)

    def held_out(self) -> dict[str, Measurement]:
        """Other identities and other clips: clean in the `HARD` kinds, attacked, compressed."""
        clips = self.clips(HELD_OUT_CLIPS)
        faces = gather(self.subject, self.unseen, clips, self.plan.frames // 4)
        drawn = self.draw(len(faces), 4)
        broken = self.attacked("held-out", faces, drawn, SEED + 1)
        crops = {f"clean {kind}": CLEAN[kind](faces) for kind in HARD}
        crops |= {f"attacked {kind}": broken[kind] for kind in SHOWN}
        return {kind: self.measured(f"held-out-{kind}", one, drawn) for kind, one in crops.items()}


def calibrate(
    task: str, plan: Plan, out: Path, preset: Path | None = None, device: str = "auto"
) -> str:
    """Fit a table, write it, and return its head, line by line.

    Args:
        preset: the user's own TOML file, which may name another generator.
        device: where faces are attacked and measured; the table is fitted on the CPU.
    """
    flags = {"run.device": device}
    overrides = ["detection.enabled=false"]
    settings = load_settings(task=task, preset=preset, overrides=overrides, flags=flags)
    held = Calibrator(Subject(settings, load_models(settings)), plan)
    clean, kinds = held.fitting_clean()
    attacked, broken_kinds = held.fitting_attacked()
    checked = held.checking_clean()
    table = fit_thresholds(_blank(held.subject, clean), checked)
    scores = fit_scores(table, join([clean, attacked]), torch.cat([kinds, broken_kinds]), checked)
    table = dataclasses.replace(table, scores=scores, recipe=_recipe_of(out / f"{task}.toml"))
    about = [
        f"Made by: magdr-video train calibrate --task {task} --faces {plan.faces} "
        f"--checked {plan.checked} --attacked {plan.attacked} --held-out {plan.held_out} "
        f"--frames {plan.frames} (seed {SEED}, {held.subject.device.type.upper()})",
        f"Statistics: {len(clean)} clean faces of {len(held.fitting)} photographs and "
        f"{len(held.clips(FITTED_CLIPS))} clips; scores: {len(attacked)} attacked ones besides",
        f"Thresholds: {len(checked)} clean faces of {len(set(held.checking))} other photographs, "
        f"{clean_rate(table, checked)}; no network was trained on any of them",
        f"Files: list sha256 {held.digest}",
        f"Kinds of clean input: {', '.join(CLEAN)}; strong noise sets no threshold",
    ]
    path = out / f"{task}.toml"
    out.mkdir(parents=True, exist_ok=True)
    # Figures take as long as the fit: a run that is cut short leaves a table without them.
    path.write_text(table_text(table, about), encoding="utf-8")
    about += held_out_lines(table, held.held_out(), checked)
    path.write_text(table_text(table, about), encoding="utf-8")
    return "\n".join(about)


def _blank(subject: Subject, clean: Measurement) -> Calibration:
    """A table with the statistics of the clean faces and thresholds that nothing reaches."""
    return Calibration(
        task=subject.task,
        model=subject.models.translator.record.sha256,
        criteria=CRITERIA,
        regions=(TARGET, *REGIONS) if subject.models.by_attention else tuple(REGIONS),
        transforms=tuple(parse_chain(text) for text in TRANSFORMS),
        statistics=fit_statistics(clean),
        tau_region=float("inf"),
        least_flags=2,
        tau_cons=float("inf"),
        tau_mean=float("inf"),
        weight=1.0,
        tau_final=float("inf"),
        recipe=(),
        scores={},
    )


def _recipe_of(path: Path) -> tuple[TransformChoice, ...]:
    """The default chain that the table has so far: a calibration leaves it as it is."""
    held = path if path.is_file() else preset_folder() / "tables" / path.name
    return load_calibration(held).recipe if held.is_file() else parse_chain(DEFAULT_CHAIN)


def main() -> None:
    """Command line of the calibration."""
    parser = argparse.ArgumentParser(description="Fit a task's calibration table.")
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument("--preset", type=Path, help="your own, such as for another generator")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=preset_folder() / "tables")
    parser.add_argument("--cache", type=Path, help="keeps what was measured, for a rerun")
    parser.add_argument("--faces", type=int, default=64, help="photographs of the statistics")
    parser.add_argument("--checked", type=int, default=300, help="those of the thresholds")
    parser.add_argument("--attacked", type=int, default=32, help="fitting faces attacked")
    parser.add_argument("--held-out", type=int, default=24, help="faces of the figures")
    parser.add_argument("--frames", type=int, default=12, help="faces of each clip")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = vars(parser.parse_args())
    task, out, preset, device = (given.pop(name) for name in ("task", "out", "preset", "device"))
    print(calibrate(task, Plan(**given), out, preset, device))


if __name__ == "__main__":
    main()
