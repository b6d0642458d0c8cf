"""The JSON document of a benchmark: what was measured, on what, and how to repeat it."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magdr_video.benchmark.plan import Plan
from magdr_video.benchmark.scene import Scene
from magdr_video.benchmark.subject import Subject, facts
from magdr_video.benchmark.threats import Threat
from magdr_video.device import describe
from magdr_video.provenance import library_versions

SCHEMA = 1
LIMITED = 40
"""Characters of a commit's name."""


def source_commit() -> str:
    """The commit of the checkout this runs from; empty where there is none."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip()[:LIMITED]


def processor() -> str:
    """The CPU's model name, as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine() -> dict[str, Any]:
    """The machine in words; no name, no paths."""
    return {"cpu": processor(), "cores": os.cpu_count(), "system": platform.system()}


def threat_model(task: str, chosen: Threat, faces: int) -> dict[str, Any]:
    """Goal, knowledge, norm and parameters of an attack."""
    return {
        "task": task,
        "attack": chosen.name,
        "goal": "toward the input" if task == "replace" else "untargeted",
        "knowledge": chosen.knowledge,
        "norm": "maximum",
        "settings": dict(chosen.settings),
        "faces": faces,
        "passed as": "8 bits",
    }


def made_by(kind: str, subjects: Sequence[Subject]) -> dict[str, Any]:
    """What every document says of its making."""
    return {
        "schema": SCHEMA,
        "benchmark": kind,
        "subjects": facts(subjects),
        "libraries": library_versions(),
        "commit": source_commit(),
        "machine": machine(),
    }


def document(
    kind: str,
    plan: Plan,
    scenes: Sequence[Scene],
    attacks: Sequence[str],
    count: int | None = None,
    **parts: Any,
) -> dict[str, Any]:
    """Everything that a reader needs beside the rows.

    Args:
        kind: the benchmark's name.
        attacks: those whose threat models are listed.
        count: faces of a task that are attacked, if fewer than the plan's.
        parts: the rows and whatever else was measured, as JSON values.
    """
    return {
        **made_by(kind, [scene.subject for scene in scenes]),
        "quick": plan.quick,
        "device": describe(scenes[0].subject.device),
        "plan": plan.described(),
        "threat_models": [
            threat_model(scene.task, scene.threat(name), count or plan.faces)
            for scene in scenes
            for name in attacks
        ],
        "faces": {
            scene.task: {
                "held out": {"count": len(scene.faces), "sha256": scene.faces.digest},
                "training": {"count": len(scene.fitting), "sha256": scene.fitting.digest},
            }
            for scene in scenes
        },
        **parts,
    }
