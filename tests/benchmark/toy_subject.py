"""A subject of two random convolutions on drawn faces, for tests of the harness."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

from magdr_video.benchmark.cells import CellStore
from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.scene import Scene
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.reconstruction.fitted import unfitted
from magdr_video.types import Masks
from tests.toys import ToyGenerator, halves, toy_table


class ToyTranslator:
    """What baselines and attacks see of a generator."""

    record = SimpleNamespace(sha256="0" * 64, name="toy", size=32, conditions=("one",))

    def __init__(self, seed: int, gain: float) -> None:
        self.generator = ToyGenerator(seed, gain=gain)

    def translate(self, crops: Tensor, condition: Tensor) -> Tensor:
        return self.generator(crops, condition)

    __call__ = translate


class ToySubject:
    """As `benchmark.subject.Subject`, at 32 px."""

    size = 32
    device = torch.device("cpu")
    rooms = ("translation",)
    condition_rows = ([0.0], [0.5])

    def __init__(self, task: str = "edit", *, seed: int = 0, gain: float = 1.0) -> None:
        self.task = task
        self.translator = ToyTranslator(seed, gain)
        self.table = toy_table(tau_mean=0.02, tau_cons=1.0)
        self.recnet = unfitted(task, self.table.recipe)
        self.identity = {
            "generator": f"{task} {seed} {gain}",
            "parser": "",
            "table": "",
            "recnet": "",
        }

    settings = SimpleNamespace(
        detection=SimpleNamespace(decide="union"),
        reconstruction=SimpleNamespace(search_budget=0),
    )

    def detector(self) -> PerturbationDetector:
        return PerturbationDetector(self.generate, self.table, decide="union")

    def generate(self, crops: Tensor, condition: Tensor) -> Tensor:
        with torch.no_grad():
            return self.translator(crops, condition)

    def features(self, crops: Tensor) -> Tensor:
        return crops[:, :, ::4, ::4]

    def masks(self, crops: Tensor, condition: Tensor) -> Masks:
        return halves(len(crops), target=(True, False))

    def conditions(self, count: int) -> Tensor:
        return torch.tensor([[0.0], [0.5]] * count)[:count]

    def target(self, crops: Tensor) -> Tensor | None:
        return crops if self.task == "replace" else None


def toy_plan(folder: Path, **changes: object) -> Plan:
    values = {
        "data": folder,
        "out": folder,
        "dataset": "drawn",
        "tasks": ("edit",),
        "attacks": ("pgd",),
        "faces": 4,
        "slow_faces": 2,
        "side_faces": 2,
        "purifier_faces": 2,
        "fitting_faces": 2,
        "validation_faces": 2,
        "trial_faces": 2,
        "picture_faces": 2,
        "steps": 3,
        "search_budget": 6,
    }
    return Plan(**(values | changes))  # type: ignore[arg-type]


def toy_scene(folder: Path, subject: ToySubject | None = None, **changes: object) -> Scene:
    store = CellStore(folder / "cells")
    return Scene(toy_plan(folder, **changes), subject or ToySubject(), store)  # type: ignore[arg-type]
