"""Baselines ready for use: built, and fitted or read back from a cache folder.

The weights of baselines are not shipped: they belong to one generator, one attack and one list of
training faces, and the benchmark would have to fit them anew for a user's model anyway. A file in
the cache is named by the baseline and a fingerprint of all three, so that nothing stale is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from magdr_video import __version__
from magdr_video.baselines.protocol import (
    DetectorBaseline,
    LearnedBaseline,
    Material,
    ReconstructorBaseline,
    Source,
    State,
    TrainedReconstructor,
)
from magdr_video.baselines.registry import DETECTORS, RECONSTRUCTORS
from magdr_video.errors import SettingsError, nearest
from magdr_video.translation import Translator


def fingerprint(
    baseline: LearnedBaseline, translator: Translator, material: Material | Source
) -> str:
    """SHA-256 of what the state depends on: settings, version, faces, generator, attack.

    Of a `Source` it takes how the faces are made, not their bits: an attack's last bits differ
    between devices, and what was learned on one is to be found on the other.
    """
    settings = dict(baseline.learned) | {"version": __version__}
    held = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    if baseline.of_generator:
        held.update(translator.record.sha256.encode())
    if isinstance(material, Source):
        held.update((material.attacked if baseline.of_generator else material.pictures).encode())
        return held.hexdigest()
    held.update(str(tuple(material.clean.crops.shape[-2:])).encode())
    parts = [material.faces]
    if baseline.of_generator:
        parts = [material.clean.crops, material.clean.condition, material.attacked.crops]
    for part in parts:
        held.update(part.detach().cpu().contiguous().numpy().tobytes())
    return held.hexdigest()


def _made(material: Material | Source) -> Material:
    return material.make() if isinstance(material, Source) else material


def is_prepared(
    name: str,
    translator: Translator,
    material: Material | Source,
    cache: Path | None,
    *,
    share: float = 1.0,
) -> bool:
    """True where the named detector would be read from the cache, not fitted."""
    detector = DETECTORS[name](translator)
    detector.shorten(share)
    path = _file(cache, detector, translator, material)
    return path is not None and path.exists()


def prepare_detector(
    name: str,
    translator: Translator,
    material: Material | Source,
    cache: Path | None = None,
    *,
    share: float = 1.0,
) -> DetectorBaseline:
    """The named detector, fitted for the generator.

    Args:
        cache: folder of learned states; read where the fingerprint agrees, else written.
        share: of the training steps that are taken; what is below 1 is no fair opponent.

    Raises:
        SettingsError: there is no such detector.
    """
    if name not in DETECTORS:
        raise SettingsError(f"there is no detector '{name}'", hint=nearest(name, DETECTORS))
    detector = DETECTORS[name](translator)
    detector.shorten(share)
    path = _file(cache, detector, translator, material)
    held = _read(path)
    if held is not None:
        detector.restore(held)
        return detector
    made = _made(material)
    detector.fit(made.clean, made.attacked)
    _write(path, detector)
    return detector


def prepare_reconstructor(
    name: str,
    translator: Translator,
    material: Material | Source | None = None,
    cache: Path | None = None,
    *,
    share: float = 1.0,
) -> ReconstructorBaseline:
    """The named reconstructor, fitted if it learns.

    Raises:
        SettingsError: there is no such reconstructor, or it learns and `material` is missing.
    """
    if name not in RECONSTRUCTORS:
        hint = nearest(name, RECONSTRUCTORS)
        raise SettingsError(f"there is no reconstructor '{name}'", hint=hint)
    baseline = RECONSTRUCTORS[name](translator)
    if not isinstance(baseline, TrainedReconstructor):
        return baseline
    if material is None:
        raise SettingsError(
            f"the reconstructor '{name}' has to be trained",
            hint="give it training faces, or choose one that learns nothing",
        )
    baseline.shorten(share)
    path = _file(cache, baseline, translator, material)
    held = _read(path)
    if held is not None:
        baseline.restore(held)
        return baseline
    baseline.fit(_made(material))
    _write(path, baseline)
    return baseline


def _file(
    cache: Path | None,
    baseline: LearnedBaseline,
    translator: Translator,
    material: Material | Source,
) -> Path | None:
    if cache is None:
        return None
    mark = fingerprint(baseline, translator, material)[:16]
    return cache / f"{baseline.weights_name}-{mark}.safetensors"


def _read(path: Path | None) -> State | None:
    if path is None or not path.exists():
        return None
    with safe_open(str(path), framework="pt") as held:
        return {key: held.get_tensor(key) for key in held.keys()}  # noqa: SIM118


def _write(path: Path | None, baseline: LearnedBaseline) -> None:
    """Write under a temporary name first: an interruption leaves no half file to be trusted."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    tensors = {key: value.detach().cpu().contiguous() for key, value in baseline.state().items()}
    facts = {
        "name": baseline.weights_name,
        "paper": baseline.paper,
        "parameters": json.dumps(dict(baseline.learned)),
        "recipe": f"magdr-video train baselines --only {baseline.weights_name}",
        "torch": torch.__version__,
    }
    save_file(tensors, str(part), metadata=facts)
    part.replace(path)
