"""Any other image-to-image model: TorchScript, a `torch.export` program, or a Python callable.

What our own layouts tell by their tensors must be declared beside such a model: the side of its
crops, their alignment, the range of its values, and the names of its condition's values.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from magdr_video.errors import SettingsError, WeightsError, nearest
from magdr_video.models.record import ALIGNMENTS, ModelRecord

ARCHITECTURE = "foreign"
VALUE_RANGES = ("-1..1", "0..1")
_CALLABLE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What is said of a foreign generator beside its name."""

    task: str
    size: int = 0
    """Side of its crops, px; a multiple of 4."""
    alignment: str = "ffhq"
    value_range: str = "-1..1"
    """Of its input and output alike."""
    conditions: tuple[str, ...] = ()
    """Names of the condition's values, in order; without any it is given crops alone."""

    def check(self, name: str) -> None:
        """Refuse what cannot be.

        Raises:
            SettingsError: no size, or an unknown alignment or range.
        """
        if self.size < 32 or self.size % 4:
            raise SettingsError(
                f"'{name}' needs model.size, the side of its crops; given {self.size}",
                hint="declare a multiple of 4 from 32 up in the preset, or --set model.size=128",
            )
        for key, value, allowed in (
            ("alignment", self.alignment, ALIGNMENTS),
            ("value_range", self.value_range, VALUE_RANGES),
        ):
            if value not in allowed:
                raise SettingsError(f"model.{key} = '{value}'", hint=nearest(value, allowed))


def is_foreign(text: str) -> bool:
    """True for `package.module:factory` and for files of TorchScript or `torch.export`."""
    path = Path(text).expanduser()
    if path.is_file():
        return bool(_kind_of(path))
    return bool(_CALLABLE.fullmatch(text))


def load_foreign(
    text: str, declared: Declaration, device: torch.device | str = "cpu"
) -> tuple[ModelRecord, nn.Module]:
    """The model behind one face: images in [-1, 1] and conditions (F, C) to images in [-1, 1].

    It is run once on one and on two grey crops; a program that was exported for a single face is
    given its faces one by one. Code in the model runs: use only models that you trust.

    Raises:
        SettingsError: something about it is not declared, or the factory cannot be had.
        WeightsError: the file cannot be loaded, or the model does not give images back.
    """
    declared.check(text)
    path = Path(text).expanduser()
    is_file = path.is_file()
    inner, source = _from_file(path) if is_file else _from_factory(text)
    module = ForeignModule(inner, declared).requires_grad_(False).to(device)
    module.try_out(text)
    record = ModelRecord(
        name=path.stem if is_file else text,
        path=source,
        task=declared.task,
        architecture=ARCHITECTURE,
        layout=_kind_of(path) if is_file else "callable",
        size=declared.size,
        alignment=declared.alignment,
        parameters=sum(p.numel() for p in module.parameters()),
        data="not stated",
        licence="not stated",
        sha256=hashlib.sha256(source.read_bytes()).hexdigest(),
        conditions=declared.conditions,
        shipped=False,
    )
    return record, module


class ForeignModule(nn.Module):
    """A foreign model in our convention.

    Args:
        inner: crops, and conditions (F, C) where any are declared, to images.
        declared: what is known of it.
    """

    def __init__(self, inner: Callable[..., Any], declared: Declaration) -> None:
        super().__init__()
        self.inner = inner
        self.declared = declared
        self.one_by_one = False
        # Tells where the model lies, also where it has no parameters.
        self.register_buffer("place", torch.zeros(()))

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) in [-1, 1] under (F, C)."""
        unit = self.declared.value_range == "0..1"
        given = (images + 1) / 2 if unit else images
        if self.one_by_one:
            faces = zip(torch.split(given, 1), torch.split(condition, 1), strict=True)
            out = torch.cat([self._call(face, asked) for face, asked in faces])
        else:
            out = self._call(given, condition)
        return out * 2 - 1 if unit else out

    def _call(self, images: Tensor, condition: Tensor) -> Tensor:
        given = (images, condition) if self.declared.conditions else (images,)
        return cast(Tensor, self.inner(*given))

    @torch.no_grad()
    def try_out(self, name: str) -> None:
        """Run the model on grey crops.

        Raises:
            WeightsError: it fails, or gives something else than as many images of the same size.
        """
        place = cast(Tensor, self.place)
        for faces in (1, 2):
            grey = torch.zeros(faces, 3, self.declared.size, self.declared.size).to(place)
            asked = torch.zeros(faces, len(self.declared.conditions)).to(place)
            try:
                out = self(grey, asked)
            except Exception as error:
                if faces == 2 and not self.one_by_one:
                    self.one_by_one = True
                    continue
                reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
                raise WeightsError(
                    f"'{name}' does not take crops of {tuple(grey.shape)}: {reason}",
                    hint="check model.size and model.conditions in the preset",
                ) from error
            if not isinstance(out, Tensor) or out.shape != grey.shape:
                got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
                raise WeightsError(f"'{name}' gives {got}, expected {tuple(grey.shape)}")


def _kind_of(path: Path) -> str:
    """'torchscript', 'export', or '' for anything else; read from the archive's table."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.partition("/")[2] or name for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return ""
    if any(name.startswith("code/") for name in names) and "constants.pkl" in names:
        return "torchscript"
    exported = ("serialized_exported_program.json", "models/model.json", "archive_format")
    return "export" if any(name.endswith(exported) for name in names) else ""


def _from_file(path: Path) -> tuple[Callable[..., Any], Path]:
    try:
        if _kind_of(path) == "torchscript":
            with warnings.catch_warnings():
                # Recent torch discourages making TorchScript; files of it are there all the same.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", FutureWarning)
                scripted: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
                return scripted.eval(), path
        # A program has the mode that it was exported in, and refuses to be given another.
        return torch.export.load(str(path)).module(), path
    except Exception as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise WeightsError(f"{path} cannot be loaded: {first}") from error


def _from_factory(text: str) -> tuple[Callable[..., Any], Path]:
    name, _, attribute = text.partition(":")
    here = str(Path.cwd())
    sys.path.append(here)
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise SettingsError(
            f"'{text}': {error}", hint="name a module that can be imported from here"
        ) from error
    finally:
        sys.path.remove(here)
    try:
        made = getattr(module, attribute)
    except AttributeError as error:
        raise SettingsError(f"module {name} has no '{attribute}'") from error
    model = made if isinstance(made, nn.Module) else made()
    model = model.eval() if isinstance(model, nn.Module) else model
    if not callable(model):
        raise SettingsError(f"'{text}' gives {type(model).__name__}, which cannot be called")
    source = getattr(module, "__file__", None)
    if source is None:
        raise SettingsError(f"module {name} has no file", hint="its hash goes into the report")
    return model, Path(source)
