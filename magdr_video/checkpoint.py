"""What a clip's stages remember, as bytes, so that another process can go on exactly there.

The stages' objects are pickled whole, so that whatever they come to remember is kept without
further ado; what they only use (networks, detectors, functions) is named instead, and taken from
the stages of the process that goes on. Reading makes nothing but values: the classes of this
package, numbers, arrays and tensors. A journal that somebody else has written can therefore do no
more than give a wrong film.
"""

from __future__ import annotations

import importlib
import io
import pickle
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch

from magdr_video.types import FrameBatch

Memory = Mapping[str, object]
"""The objects of a clip's stages that remember something, by name."""

OWN = "magdr_video."
PLAIN = {
    ("builtins", "set"),
    ("builtins", "frozenset"),
    ("builtins", "complex"),
    ("builtins", "range"),
    ("builtins", "slice"),
    ("builtins", "bytearray"),
    ("collections", "deque"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("copyreg", "_reconstructor"),
    ("builtins", "object"),
    ("fractions", "Fraction"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
"""Classes of values, beside our own."""
NUMPY_MAKERS = {"_reconstruct", "scalar", "_frombuffer"}
"""What NumPy's arrays are rebuilt by, wherever a version keeps it."""


FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, torch.nn.Module)


def freeze(memory: Memory, tools: tuple[type, ...], extra: Any) -> bytes:
    """Everything that the objects remember.

    Args:
        memory: the objects.
        tools: classes whose objects are used by them, but are no part of what they remember.
        extra: any further values to keep with them.
    """
    held = io.BytesIO()
    used = {id(thing): name for name, thing in _used(memory, tools)}
    content = {name: vars(thing) for name, thing in memory.items()}
    _Writer(held, used).dump((content, extra))
    return held.getvalue()


def thaw(data: bytes, memory: Memory, tools: tuple[type, ...]) -> Any:
    """Let the objects remember what others of their kind did.

    Args:
        data: from `freeze`.
        memory: fresh objects, built from the same settings.
        tools: as for `freeze`.

    Returns:
        What was given as `extra`.

    Raises:
        pickle.UnpicklingError: the bytes ask for anything but values.
    """
    content, extra = _Reader(io.BytesIO(data), dict(_used(memory, tools))).load()
    for name, attributes in content.items():
        vars(memory[name]).update(attributes)
    return extra


def _used(memory: Memory, tools: tuple[type, ...]) -> Iterator[tuple[str, object]]:
    """What the objects use, by owner and attribute, and each other, by name."""
    for owner, thing in memory.items():
        yield owner, thing
        for attribute, value in vars(thing).items():
            if isinstance(value, FUNCTIONS + tools):
                yield f"{owner}.{attribute}", value


class _Writer(pickle.Pickler):
    def __init__(self, file: io.BytesIO, used: Mapping[int, str]) -> None:
        super().__init__(file, protocol=5)
        self._used = used

    def persistent_id(self, obj: object) -> Any:
        """Names what is used; a frame's pixels are decoded again."""
        if id(obj) in self._used:
            return ("used", self._used[id(obj)])
        if isinstance(obj, MethodType) and id(obj.__self__) in self._used:
            return ("method", (self._used[id(obj.__self__)], obj.__name__))
        if isinstance(obj, FrameBatch):
            return ("frames", obj.first_index)
        return None

    def reducer_override(self, obj: object) -> Any:
        """Tensors as arrays, on the device they were on."""
        if isinstance(obj, torch.Tensor):
            return _tensor, (obj.detach().cpu().numpy(), str(obj.device))
        return NotImplemented


class _Reader(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, used: Mapping[str, object]) -> None:
        super().__init__(file)
        self._used = used

    def persistent_load(self, pid: Any) -> object:
        """What is used in this process; no frames, since they come from the decoder."""
        kind, name = pid
        if kind == "method":
            return self._method(*name)
        return self._used[name] if kind == "used" else None

    def _method(self, owner: str, name: str) -> object:
        """A public method of what is used in this process."""
        found: object = None if name.startswith("_") else getattr(self._used[owner], name, None)
        if not isinstance(found, MethodType):
            raise pickle.UnpicklingError(f"a state may not use {owner}.{name}")
        return found

    def find_class(self, module: str, name: str) -> Any:
        """Only what makes values."""
        if (module, name) == (__name__, "_tensor"):
            return _tensor
        if (module, name) in PLAIN or (
            module.partition(".")[0] == "numpy" and name in NUMPY_MAKERS
        ):
            return super().find_class(module, name)
        if module.startswith(OWN):
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type):
                return found
        raise pickle.UnpicklingError(f"a state may not hold {module}.{name}")


def _tensor(values: np.ndarray[Any, Any], device: str) -> torch.Tensor:
    return torch.from_numpy(values.copy()).to(device)
