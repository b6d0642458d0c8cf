"""Settings of a run; presets become frozen, checked values here and nowhere else.

Each setting is declared once, as a dataclass field whose metadata carry range and help; the TOML
loader, `--set`, `--print-config` and the error messages read that one declaration.
"""

from __future__ import annotations

from magdr_video.settings.checks import from_text
from magdr_video.settings.presets import (
    Layer,
    Resolved,
    load_settings,
    preset_folder,
    read_preset,
    resolve,
)
from magdr_video.settings.sections import (
    ATTACK_NAMES,
    PIPE_FORMATS,
    TASKS,
    ConditionSettings,
    DetectionSettings,
    FaceSettings,
    ModelSettings,
    OutputSettings,
    ProtectionSettings,
    ReconstructionSettings,
    RunSettings,
    Settings,
    build,
    declared,
    flatten,
)

__all__ = [
    "ATTACK_NAMES",
    "PIPE_FORMATS",
    "TASKS",
    "ConditionSettings",
    "DetectionSettings",
    "FaceSettings",
    "Layer",
    "ModelSettings",
    "OutputSettings",
    "ProtectionSettings",
    "ReconstructionSettings",
    "Resolved",
    "RunSettings",
    "Settings",
    "build",
    "declared",
    "flatten",
    "from_text",
    "load_settings",
    "preset_folder",
    "read_preset",
    "resolve",
]
