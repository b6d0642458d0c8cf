"""What a calibration measures: clean and attacked faces of a plan, drawn, attacked and cached."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.detection.measurement import Measurement, join, pick
from magdr_video.models import zoo
from magdr_video.models.trunk import to_model_range
from magdr_video.training.attacked_faces import attack
from magdr_video.training.calibration_faces import (
    ATTACKED,
    CHECKED_CLIPS,
    FITTED_CLIPS,
    FRAMED,
    HELD_OUT_CLIPS,
    TRANSFORMS,
    Subject,
    gather,
    in_turn,
    measure_faces,
)
from magdr_video.training.calibration_fit import CLASSES
from magdr_video.training.calibration_report import HARD
from magdr_video.training.clean_faces import CLEAN, ROUGH, list_hash, unseen_files
from magdr_video.training.drawn_conditions import DrawnConditions, draw_conditions
from magdr_video.transforms import parse_chain
from magdr_video.transforms.purify import WEIGHTS as PURIFIER

SEED = 1234
TURNS = (0, 4)
"""Where in the kinds of clean input a fitting face begins: each takes two of them. Validation
faces take one, so that they are independent of each other."""

SHOWN = ("lossless", "h264 crf 23", "in a frame", "in a frame, crf 23")
"""What becomes of the attacked faces of the figures."""

CLASS_OF = {"lossless": "lossless", "in a frame": "framed"}
"""Class of a kind of attacked faces; the others are compressed."""

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
