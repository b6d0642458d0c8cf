"""Every setting, declared once: default, range, choices and help."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TASKS = ("replace", "edit", "reenact")
PIPE_FORMATS = ("matroska", "mpegts", "mp4", "nut")
"""Muxers that need no way back; 'mp4' is written in fragments."""


def _setting(
    default: Any,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    flag: str = "",
) -> Any:
    about = {"help": help, "low": low, "high": high, "choices": choices, "flag": flag}
    return field(default=default, metadata=about)


@dataclass(frozen=True)
class ModelSettings:
    """Which weights are used."""

    generator: str = _setting("", "name or file of weights, TorchScript, or package.module:factory")
    size: int = _setting(0, "any other generator: side of its crops, px", low=0, high=4096)
    alignment: str = _setting("ffhq", "any other generator: ffhq, celeba, openface or box")
    value_range: str = _setting(
        "-1..1", "any other generator: range of its images", choices=("-1..1", "0..1")
    )
    conditions: str = _setting(
        "", "any other generator: names of its condition's values, comma-separated"
    )
    parser: str = _setting("bisenet-compact", "name or file of the face parser's weights")
    au_estimator: str = _setting("au-estimator", "reads the driving clip's expression")


@dataclass(frozen=True)
class ConditionSettings:
    """What the generator is asked for."""

    attributes: str = _setting(
        "", "edit: comma-separated, such as Blond_Hair,Young", flag="attributes"
    )
    expression: str = _setting(
        "", "reenact: a name such as happy, or AU12=0.8,AU25=0.5", flag="expression"
    )
    strength: float = _setting(1.0, "reenact: scales the expression", low=0.0, high=2.0)
    values: str = _setting("", "the condition itself, comma-separated numbers, for any generator")


@dataclass(frozen=True)
class FaceSettings:
    """Finding, following and pasting faces."""

    which: str = _setting(
        "all",
        "all, largest, index:N (left to right at a shot's start) or a picture of the face",
        flag="face",
    )
    max_distance: float = _setting(
        0.14, "largest distance of a face to that of the picture", low=0.0, high=1.0
    )
    period: int = _setting(16, "frames between full detections", low=1, high=250)
    long_side: int = _setting(480, "frames are scaled to this for detection, px", low=64, high=4096)
    threshold: float = _setting(0.9, "least detector confidence", low=0.0, high=1.0)
    min_size: int = _setting(24, "faces smaller than this pass unchanged, px", low=8, high=4096)
    max_gap: float = _setting(1.0, "longest gap filled inside a track, s", low=0.0, high=10.0)
    smoothing: float = _setting(1.0, "strength of landmark smoothing, 0 is none", low=0.0, high=5.0)


@dataclass(frozen=True)
class DetectionSettings:
    """The perturbation detector (paper, 3.2.2)."""

    enabled: bool = _setting(True, "judge the faces; false translates them as they are")
    table: str = _setting("", "calibration table; empty takes the task's own")
    decide: str = _setting(
        "combined",
        "whose verdict counts: the fitted score, or the paper's two detectors",
        choices=("combined", "union", "distortion", "consistency"),
    )
    targets: str = _setting(
        "regions",
        "what the task may change: regions by name, or the generator's own attention, with which "
        "the distortion detector alone finds more; it costs a pass a parse and wants own tables",
        choices=("regions", "attention"),
    )
    period: int = _setting(
        30, "frames between inspections of a track, up to 4x as many later", low=1, high=1000
    )
    parse_period: int = _setting(6, "frames between parses of a track", low=1, high=1000)


@dataclass(frozen=True)
class ReconstructionSettings:
    """The reconstructor (paper, 3.2.3)."""

    enabled: bool = _setting(True, "repair faces found to be perturbed")
    table: str = _setting("", "Rec-Net table; empty takes the task's own")
    window: int = _setting(
        0, "frames averaged along the motion, 1 is none, 0 as many as fitted best", low=0, high=9
    )
    search_budget: int = _setting(
        0,
        "generator passes that a search may spend on a face, 0 is none",
        low=0,
        flag="search-budget",
    )
    cache: bool = _setting(True, "hold verdicts and recipes over the frames of a track")


@dataclass(frozen=True)
class OutputSettings:
    """How the result is encoded and marked."""

    vcodec: str = _setting("", "encoder; empty takes the container's default", flag="vcodec")
    crf: int = _setting(18, "constant rate factor of the encoder", low=0, high=63, flag="crf")
    preset: str = _setting("", "the encoder's own speed preset", flag="encoder-preset")
    pix_fmt: str = _setting("", "pixel format; empty keeps the source's", flag="pix-fmt")
    provenance: str = _setting(
        "auto", "marks on generated output", choices=("auto", "require", "none"), flag="provenance"
    )
    segment: int = _setting(
        128, "frames encoded at a time, kept if the run is killed; 0 is all", low=0, high=100_000
    )
    format: str = _setting(
        "matroska",
        "container of what goes to standard output",
        choices=PIPE_FORMATS,
        flag="format",
    )
    hdr: str = _setting("reject", "PQ and HLG input", choices=("reject", "passthrough"), flag="hdr")


ATTACK_NAMES = (
    "fgsm", "ifgsm", "pgd", "momentum", "cw", "iterated", "joint", "feature", "blur-eot", "lab",
    "spsa", "uniform", "sign",
)  # fmt: skip
"""The attacks that need to know the generator only, by name."""


@dataclass(frozen=True)
class ProtectionSettings:
    """The perturbation that `protect` adds; lengths are in the paper's units, [-1, 1]."""

    method: str = _setting("pgd", "how the perturbation is made", choices=ATTACK_NAMES)
    epsilon: float = _setting(0.05, "bound; 0.05 is 6.375/255", low=0.0001, high=1.0)
    steps: int = _setting(0, "gradient steps; 0 takes the method's own number", low=0, high=10000)
    step_size: float = _setting(0.0, "length of a step; 0 takes the method's own", low=0.0)
    restarts: int = _setting(1, "starts, of which each face keeps the best", low=1, high=1000)
    mode: str = _setting(
        "frame",
        "made frame by frame, shared by a track's frames, or carried along its motion",
        choices=("frame", "shared", "carried"),
    )
    lossless: bool = _setting(True, "write without loss; false encodes as output.* say")
    later_crf: str = _setting(
        "23", "lossless only: H.264 qualities to measure the survival of, such as 18,23,28"
    )


@dataclass(frozen=True)
class RunSettings:
    """How the run itself behaves."""

    device: str = _setting("auto", "auto, cpu, cuda or cuda:N", flag="device")
    precision: str = _setting(
        "auto",
        "on a GPU: half is parser and translation at 16 bits, full and auto 32 everywhere",
        choices=("auto", "full", "half"),
        flag="precision",
    )
    batch: int = _setting(0, "frames a batch; 0 takes 16, on a GPU 48", low=0, high=512)
    seed: int = _setting(0, "seed of everything random", low=0, high=2**32 - 1)
    strict: bool = _setting(False, "a face that fails ends the run (exit 1)", flag="strict")
    jobs: int = _setting(
        1, "clips worked on at once, each in its own process", low=1, high=256, flag="jobs"
    )


@dataclass(frozen=True)
class Settings:
    """Every setting of one run, complete, checked, immutable."""

    task: str = _setting("reenact", "what the generator does", choices=TASKS, flag="task")
    model: ModelSettings = field(default_factory=ModelSettings)
    condition: ConditionSettings = field(default_factory=ConditionSettings)
    faces: FaceSettings = field(default_factory=FaceSettings)
    detection: DetectionSettings = field(default_factory=DetectionSettings)
    reconstruction: ReconstructionSettings = field(default_factory=ReconstructionSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    protection: ProtectionSettings = field(default_factory=ProtectionSettings)
    run: RunSettings = field(default_factory=RunSettings)


def declared() -> dict[str, dataclasses.Field[Any]]:
    """Every setting by its dotted key, such as 'faces.period'."""
    out: dict[str, dataclasses.Field[Any]] = {}
    for section in dataclasses.fields(Settings):
        factory = section.default_factory
        if factory is dataclasses.MISSING:
            out[section.name] = section
            continue
        for leaf in dataclasses.fields(factory):  # type: ignore[arg-type]
            out[f"{section.name}.{leaf.name}"] = leaf
    return out


def flatten(settings: Settings) -> dict[str, Any]:
    """The settings by dotted key."""
    out: dict[str, Any] = {}
    for key in declared():
        value: Any = settings
        for part in key.split("."):
            value = getattr(value, part)
        out[key] = value
    return out


def build(values: Mapping[str, Any]) -> Settings:
    """Settings from dotted keys; what is not named keeps its default."""
    out = Settings()
    for key, value in values.items():
        *sections, leaf = key.split(".")
        if sections:
            section = dataclasses.replace(getattr(out, sections[0]), **{leaf: value})
            out = dataclasses.replace(out, **{sections[0]: section})
        else:
            out = dataclasses.replace(out, **{leaf: value})
    return out
