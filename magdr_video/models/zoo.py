"""Finds, checks and loads weights: the shipped ones, the user's own, and any file.

Looking (`find`, `list_models`, `verify`) reads only the header of a safetensors file and loads no
torch; `load` and `import_checkpoint` do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from magdr_video.errors import OutputError, SettingsError, WeightsError, nearest
from magdr_video.models.manifest import (
    SHIPPED,
    read_manifest,
    sha256,
    user_folder,
    write_manifest,
)
from magdr_video.models.record import ALIGNMENTS, ModelRecord, read_bytes, record_of

if TYPE_CHECKING:
    import torch
    from torch import nn

NetT = TypeVar("NetT", bound="nn.Module")

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt")


@dataclass(frozen=True)
class Check:
    """Whether one file is what its manifest says."""

    name: str
    path: Path
    ok: bool
    problem: str = ""


def _named() -> dict[str, Path]:
    """Every name that can be given, the shipped ones first; a user's file cannot hide them."""
    out: dict[str, Path] = {}
    for folder in (SHIPPED, user_folder()):
        paths = sorted(p for p in folder.glob("*") if p.suffix in SUFFIXES and p.is_file())
        for path in paths:
            out.setdefault(path.stem, path)
    return out


def _locate(name_or_path: str | Path) -> tuple[str, Path]:
    named = _named()
    text = str(name_or_path)
    if isinstance(name_or_path, str) and text in named:
        return text, named[text]
    path = Path(name_or_path).expanduser()
    if path.is_file() and path.suffix not in SUFFIXES:
        raise WeightsError(
            f"{path} is no file of weights", hint=f"their names end in {', '.join(SUFFIXES)}"
        )
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        if path.is_file():
            return path.stem, path
        raise WeightsError(f"{path} is not there", hint="give the file of a checkpoint")
    raise _unknown(text, named)


def _unknown(name: str, known: Iterable[str]) -> WeightsError:
    return WeightsError(
        f"no weights are named '{name}'",
        hint=f"{nearest(name, known)} (own weights lie in {user_folder()})",
    )


def find(name_or_path: str | Path) -> ModelRecord:
    """The record of named weights, or of a checkpoint's file.

    Raises:
        WeightsError: nothing has that name, or the file is no weights that we know.
    """
    name, path = _locate(name_or_path)
    return record_of(path, name, shipped=path.parent == SHIPPED)


def find_for(name_or_path: str, task: str, setting: str) -> ModelRecord:
    """As `find`, for a setting that takes weights of one task only.

    Raises:
        WeightsError: as `find`.
        SettingsError: the weights are for another task.
    """
    record = find(name_or_path)
    if record.task != task:
        raise SettingsError(
            f"{setting} = '{name_or_path}' is for the task {record.task}, not {task}",
            hint="magdr-video models list shows what there is",
        )
    return record


def list_models() -> list[ModelRecord]:
    """All named weights, shipped ones first. Files that cannot be read are left to `verify`."""
    out = []
    for name, path in _named().items():
        try:
            out.append(record_of(path, name, shipped=path.parent == SHIPPED))
        except WeightsError:
            continue
    return out


def _require_recorded(record: ModelRecord) -> None:
    """Refuse weights whose sum differs from the manifest beside them.

    Every shipped file must be recorded; a file that the user put into a folder by hand need not.
    """
    recorded = read_manifest(record.path.parent).get(record.path.stem)
    if recorded == record.sha256 or (recorded is None and not record.shipped):
        return
    raise WeightsError(
        f"{record.path} has SHA-256 {record.sha256}, the manifest says {recorded or 'nothing'}",
        hint="the file is damaged or was changed: install the package, or import the file, anew",
    )


def verify(names: Sequence[str] = ()) -> list[Check]:
    """Check files against their manifests, without loading torch.

    Args:
        names: which to check; every named file, and every name in the manifests, where none is.

    Raises:
        WeightsError: nothing has one of these names.
    """
    named, missing = _named(), _missing()
    for name in names:
        if name not in named and name not in missing:
            raise _unknown(name, {*named, *missing})
    asked = names or [*named, *missing]
    return [_check(name, named[name]) if name in named else missing[name] for name in asked]


def _check(name: str, path: Path) -> Check:
    try:
        _require_recorded(record_of(path, name, shipped=path.parent == SHIPPED))
    except WeightsError as error:
        return Check(name, path, ok=False, problem=str(error))
    return Check(name, path, ok=True)


def _missing() -> dict[str, Check]:
    """Names that a manifest records without a file."""
    named, out = _named(), {}
    for folder in (SHIPPED, user_folder()):
        for name in sorted(set(read_manifest(folder)) - set(named)):
            path = folder / f"{name}.safetensors"
            out[name] = Check(name, path, ok=False, problem=f"{path} is recorded but not there")
    return out


def checked_bytes(record: ModelRecord) -> bytes:
    """The whole file of weights, which is what its record and the manifest beside it say.

    Raises:
        WeightsError: it cannot be read, or is not as recorded.
    """
    _require_recorded(record)
    data = read_bytes(record.path)
    if sha256(data) != record.sha256:
        raise WeightsError(f"{record.path} changed while it was being loaded")
    return data


def load(model: str | Path | ModelRecord, device: torch.device | str = "cpu") -> nn.Module:
    """The network, strictly loaded, float32, in `eval()`, on the device, without gradients.

    Raises:
        WeightsError: not found, damaged, not as recorded, or not of the shape it should have.
    """
    from magdr_video.models.checkpoint import assemble, canonical_tensors, read_tensors

    record = model if isinstance(model, ModelRecord) else find(model)
    tensors = canonical_tensors(read_tensors(checked_bytes(record), record.path))
    module = assemble(tensors, where=str(record.path), claimed=record.architecture)
    return module.requires_grad_(False).to(device)


def load_as(
    kind: type[NetT],
    model: str | Path | ModelRecord,
    asked: str,
    device: torch.device | str = "cpu",
) -> NetT:
    """As `load`, for whoever can use one class of networks only.

    Args:
        kind: that class.
        asked: how the user named the weights, such as "--weights purifier"; begins the error.

    Raises:
        WeightsError: as `load`, and where the weights are those of another network.
    """
    net = load(model, device)
    if not isinstance(net, kind):
        held = type(net).__name__
        article = "an" if held[0] in "AEIOU" else "a"
        raise WeightsError(
            f"{asked} is {article} {held}, not a {kind.__name__}",
            hint="magdr-video models list tells the task of all named weights",
        )
    return net


def import_checkpoint(
    path: Path,
    name: str,
    *,
    size: int | None = None,
    alignment: str | None = None,
    licence: str = "",
    overwrite: bool = False,
) -> ModelRecord:
    """Bring a public checkpoint into the user's folder, as safetensors with a recorded sum.

    Args:
        path: `.pth`, `.ckpt`, `.pt` or `.safetensors` in any known layout.
        name: by which it is found from now on.
        size: side of its crops, where it is not the layout's usual one (StarGAN at 256, say).
        alignment: one of `ALIGNMENTS`, where it is not the layout's usual one.
        licence: what its authors allow; shown by `models list`.

    Raises:
        WeightsError: the file cannot be read or fits no known network.
        SettingsError: the name, size or alignment is not allowed.
        OutputError: the name is taken, or the folder cannot be written.
    """
    from safetensors.torch import save

    from magdr_video.models.checkpoint import assemble, canonical_tensors, read_tensors

    target = _import_target(name, overwrite=overwrite)
    _check_facts(size, alignment)
    source = find(path)
    data = read_bytes(source.path)
    tensors = canonical_tensors(read_tensors(data, source.path))
    module = assemble(tensors, where=str(path), claimed=source.architecture)
    facts = {
        "name": name,
        "architecture": source.architecture,
        "layout": source.layout,
        "size": str(size or source.size),
        "alignment": alignment or source.alignment,
        "condition": json.dumps(source.conditions),
        "direction": source.direction,
        "task": source.task,
        "data": source.data,
        "licence": licence or source.licence,
        "recipe": f"imported from {source.path.name}, SHA-256 {source.sha256}",
    }
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        part.write_bytes(save(dict(module.state_dict()), metadata=facts))
        part.replace(target)
        write_manifest(target.parent, only=name)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}") from error
    return find(name)


def _import_target(name: str, *, overwrite: bool) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise SettingsError(
            f"'{name}' cannot be a name", hint="use letters, digits, hyphens and underscores"
        )
    taken = _named().get(name)
    target = user_folder() / f"{name}.safetensors"
    if taken is not None and (taken != target or not overwrite):
        raise OutputError(f"'{name}' is taken by {taken}", hint="choose another name")
    return target


def _check_facts(size: int | None, alignment: str | None) -> None:
    if size is not None and (size < 32 or size % 4):
        raise SettingsError(f"size {size} is not allowed", hint="give a multiple of 4 from 32 up")
    if alignment is not None and alignment not in ALIGNMENTS:
        raise SettingsError(
            f"alignment '{alignment}' is not known", hint=nearest(alignment, ALIGNMENTS)
        )
