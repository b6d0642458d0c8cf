"""Marks on what was generated: container metadata and an audit record beside the output.

The digital source type is IPTC's term for a composite that contains generated parts. The mark is
plain metadata; it does not survive a hostile copy, and says so in the README.
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magdr_video import __version__
from magdr_video.errors import OutputError, PolicyError
from magdr_video.video.hashing import sha256_of

__all__ = ["output_metadata", "read_marks", "record_path", "sha256_of", "write_json"]

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
MARK_KEY = "digital_source_type"
RECORD_SUFFIX = ".magdr.json"
LIBRARIES = ("torch", "torchvision", "av", "facenet-pytorch", "kornia", "numpy")


def output_metadata(task: str, mode: str, source: Mapping[str, str]) -> dict[str, str]:
    """Container tags for a generated clip; empty when the user opted out.

    Args:
        task: what was done to the faces.
        mode: 'auto', 'require' or 'none'.
        source: tags of the input; marks found there are kept, never replaced by less.

    Raises:
        PolicyError: signed provenance is required, which this installation cannot give.
    """
    if mode == "require":
        raise PolicyError(
            "--provenance require: signed provenance (C2PA) is not available",
            hint="use --provenance auto for marks in the container and an audit record",
        )
    if mode == "none":
        return {}
    comment = f"AI-modified by magdr-video {__version__} (task: {task}); {SOURCE_TYPE}"
    earlier = source.get("comment", "")
    if earlier and earlier != comment:
        comment = f"{comment}; source comment: {earlier}"
    return {"comment": comment, MARK_KEY: SOURCE_TYPE}


def protection_metadata(what: str, mode: str, source: Mapping[str, str]) -> dict[str, str]:
    """Container tags for a clip whose faces were perturbed and not generated.

    Args:
        what: the perturbation in words.
        mode, source: as for `output_metadata`; a mark of generated content found in the source
            is a tag of its own and stays.

    Raises:
        PolicyError: signed provenance is required.
    """
    generated = output_metadata("", mode, source)
    if not generated:
        return {}
    comment = f"faces perturbed by magdr-video {__version__} ({what}); nothing was generated"
    earlier = source.get("comment", "")
    if earlier and earlier != comment:
        comment = f"{comment}; source comment: {earlier}"
    return {"comment": comment}


def read_marks(metadata: Mapping[str, str]) -> list[str]:
    """Sentences about the marks found in a file's tags."""
    found = []
    lowered = {key.lower(): value for key, value in metadata.items()}
    text = " ".join(lowered.values())
    if "magdr-video" in text:
        found.append("made by magdr-video: " + lowered.get("comment", "").split(";")[0])
    if "TrainedAlgorithmicMedia" in text or "trainedAlgorithmicMedia" in text:
        found.append("digital source type: trained algorithmic media (IPTC)")
    return found


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape a result."""
    out = {"magdr-video": __version__}
    for name in LIBRARIES:
        try:
            out[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            out[name] = "missing"
    return out


def record_path(output: Path) -> Path:
    """Where the audit record of an output lies: beside it."""
    return output.with_name(output.name + RECORD_SUFFIX)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a JSON file atomically.

    Raises:
        OutputError: the folder cannot be written or the disk is full.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
