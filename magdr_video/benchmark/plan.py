"""What a benchmark measures, how much of it, and with which seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magdr_video.errors import SettingsError, UsageError, nearest
from magdr_video.settings import TASKS

SEED = 1234
PLACES = ("data", "out", "generator", "overrides", "device")
"""Fields that name parts of a machine; what lies in its folders is told by its SHA-256."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One benchmark, complete; these defaults are for a CPU, `for_gpu` has those for a GPU."""

    data: Path
    """Folder of the data set."""
    dataset: str = "synthetic"
    """Name of the data set; see `opening.DATASETS`."""
    out: Path
    """Folder of the documents, tables, figures and finished cells."""
    tasks: tuple[str, ...] = TASKS
    generator: str = ""
    """Name or file of the weights of a single task; empty takes the shipped ones."""
    overrides: tuple[str, ...] = ()
    """Settings 'key=value', such as the tables of that generator."""
    attacks: tuple[str, ...] = ("pgd", "cw")
    """Attacks of Table 1 and Table 2."""
    faces: int = 12
    """Held-out faces of each task that are attacked."""
    slow_faces: int = 4
    """Of these, the ones given to searches, FSIM and features."""
    check_faces: int = 4
    """Of these, the ones on which the strength of the attacks is checked."""
    side_faces: int = 4
    """Of these, the ones that show the clean cost and go through filters and codecs."""
    fitting_faces: int = 16
    """Training faces, attacked with PGD, on which settings are chosen and baselines fitted."""
    trial_faces: int = 4
    """Of these, the ones on which every setting of every transform is tried."""
    validation_faces: int = 8
    """Clean training faces in each of several kinds that set the baselines' thresholds."""
    picture_faces: int = 48
    """Training faces for baselines that learn from clean pictures alone."""
    epsilon: float = 0.05
    """Bound of the maximum norm, images in [-1, 1]."""
    step_size: float = 0.01
    steps: int = 10
    cw_steps: int = 20
    """Adam steps of C&W for each of its trade-offs; METHOD 7 has 200, which is for a GPU."""
    cw_trade_offs: int = 3
    """Values of C&W's trade-off that are tried; METHOD 7 has 5."""
    lab_steps: int = 20
    """Adam steps of the chroma-only attack, longer as they are fewer than METHOD 7's 100."""
    purifier_faces: int = 4
    """Of these, the ones on which every purifier meets every attack."""
    adaptive_faces: int = 4
    """Of these, the ones given to attackers who know the defence."""
    adaptive_steps: int = 20
    """Iterations at the end of the axis of Figure 3."""
    baseline_share: float = 0.05
    """Share of their training steps that baselines get; 1 is their recipe, and takes hours on a
    CPU, a minute on a GPU."""
    skipped: tuple[str, ...] = ()
    """Baselines that are left out, by name."""
    search_budget: int = 60
    """Generator passes a search may spend on one face."""
    seed: int = SEED
    quick: bool = False
    device: str = "auto"
    """Where networks run: 'auto', 'cpu', 'cuda' or 'cuda:N'."""

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in TASKS:
                raise SettingsError(f"unknown task '{task}'", hint=nearest(task, TASKS))
        if not self.tasks or not self.attacks:
            raise UsageError("a benchmark needs at least one task and one attack")
        if self.generator and len(self.tasks) != 1:
            raise UsageError(
                f"{len(self.tasks)} tasks cannot share the generator {self.generator}",
                hint="name one with --tasks",
            )
        for name, least in counts().items():
            if getattr(self, name) < least:
                held = getattr(self, name)
                raise SettingsError(f"{name} = {held} is out of range", hint=f">= {least}")
        if not 0 < self.baseline_share <= 1:
            raise SettingsError(f"baseline_share = {self.baseline_share} must lie in 0 .. 1")
        if not 0 < self.epsilon <= 1:
            raise SettingsError(f"epsilon = {self.epsilon} must lie in 0 .. 1")

    def kept(self, names: Iterable[str]) -> list[str]:
        """Names without those of baselines that are left out."""
        return [name for name in names if name not in self.skipped]

    def count(self, kind: str) -> int:
        """Held-out faces of a kind ('slow_faces', 'side_faces'), never more than there are."""
        return min(self.faces, int(getattr(self, kind)))

    def described(self) -> dict[str, Any]:
        """The plan as JSON values, without the folders of this machine."""
        held = dataclasses.asdict(self)
        return {key: value for key, value in held.items() if key not in PLACES}


def counts() -> dict[str, int]:
    """Every count of a plan with its least value: two faces, one of anything else."""
    names = [field.name for field in dataclasses.fields(Plan) if field.type == "int"]
    return {name: 2 if name.endswith("_faces") or name == "faces" else 1 for name in names} | {
        "seed": 0
    }


def with_counts(plan: Plan, asked: Sequence[str]) -> Plan:
    """The plan with counts given as 'name=value'.

    Raises:
        UsageError: that is no whole number.
        SettingsError: there is no such count, or it is out of range.
    """
    changes: dict[str, Any] = {}
    for text in asked:
        name, _, value = (part.strip() for part in text.partition("="))
        if name not in counts():
            raise SettingsError(f"a plan has no count '{name}'", hint=nearest(name, counts()))
        if not value.isdecimal():
            raise UsageError(f"--count '{text}'", hint=f"a whole number, such as {name}=16")
        changes[name] = int(value)
    return dataclasses.replace(plan, **changes)


def for_gpu(plan: Plan) -> Plan:
    """The same plan with the counts of METHOD 7 and 9 where a GPU affords them."""
    return dataclasses.replace(
        plan,
        faces=50,
        slow_faces=12,
        check_faces=12,
        side_faces=50,
        purifier_faces=16,
        fitting_faces=256,
        trial_faces=16,
        validation_faces=64,
        picture_faces=256,
        cw_steps=200,
        cw_trade_offs=5,
        lab_steps=100,
        adaptive_faces=16,
        adaptive_steps=100,
        baseline_share=1.0,
    )


def quick(plan: Plan) -> Plan:
    """The same plan on so few faces that it shows whether all works; its figures mean little."""
    return dataclasses.replace(
        plan,
        faces=min(plan.faces, 4),
        slow_faces=2,
        check_faces=2,
        side_faces=2,
        purifier_faces=2,
        fitting_faces=4,
        adaptive_faces=2,
        adaptive_steps=5,
        trial_faces=2,
        steps=4,
        validation_faces=2,
        picture_faces=8,
        cw_steps=4,
        cw_trade_offs=2,
        lab_steps=4,
        baseline_share=0.01,
        search_budget=30,
        quick=True,
    )
