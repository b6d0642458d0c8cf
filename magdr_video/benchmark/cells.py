"""Finished pieces of a benchmark, kept on disk under a hash of what made them.

A cell is a dictionary of tensors. Its key names everything that its content depends on: weights,
tables, data, seeds, parameters and the source of the rooms involved. A benchmark that was
interrupted, or is run again after a change elsewhere, computes only what is missing.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from magdr_video.errors import OutputError

Content = dict[str, Tensor]
PACKAGE = Path(__file__).resolve().parents[1]


class _WithoutWords(ast.NodeTransformer):
    """Drops docstrings, which change no result."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if is_text else node


def meaning_of(source: str) -> str:
    """What source does, whatever its comments, docstrings and layout."""
    return ast.dump(_WithoutWords().visit(ast.parse(source)))


@lru_cache
def source_hash(rooms: tuple[str, ...]) -> str:
    """SHA-256 over what rooms or modules of the package do, see `meaning_of`."""
    digest = hashlib.sha256()
    for room in sorted(rooms):
        place = PACKAGE / room
        files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
        for path in files:
            digest.update(path.relative_to(PACKAGE).as_posix().encode())
            digest.update(meaning_of(path.read_text(encoding="utf-8")).encode())
    return digest.hexdigest()


def rooms_in(room: str, *, without: Sequence[str] = ()) -> tuple[str, ...]:
    """The modules of a room, as `source_hash` takes them."""
    found = (f"{room}/{path.stem}" for path in sorted((PACKAGE / room).glob("*.py")))
    return tuple(name for name in found if name not in without)


@dataclass(frozen=True)
class Cell:
    """One piece of work."""

    name: str
    """For people: what is being measured."""
    key: Mapping[str, Any]
    """JSON values that determine the content."""
    weight: float
    """Its cost, in generator passes or what takes as long; only ratios matter."""
    make: Callable[[], Content]

    @cached_property
    def address(self) -> str:
        """SHA-256 of name and key."""
        text = json.dumps({"name": self.name, **self.key}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class CellStore:
    """Cells on disk.

    Args:
        folder: made when it is missing.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    folder: Path
    made: int = 0
    found: int = 0
    _held: dict[str, Content] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make {self.folder}: {error.strerror}") from error

    def has(self, cell: Cell) -> bool:
        """True when the cell need not be computed."""
        return cell.address in self._held or self._path(cell).is_file()

    def get(self, cell: Cell) -> Content:
        """The cell's content, computed and written when it is not there yet."""
        address = cell.address
        if address not in self._held:
            path = self._path(cell)
            if path.is_file():
                self._held[address] = load_file(path)
                self.found += 1
            else:
                self._held[address] = self._write(path, _at_rest(cell.make()))
                self.made += 1
        return self._held[address]

    def _path(self, cell: Cell) -> Path:
        return self.folder / f"{cell.address[:40]}.safetensors"

    def _write(self, path: Path, content: Content) -> Content:
        # Named after the process: several may work on one folder.
        part = path.with_suffix(f".{os.getpid()}.part")
        try:
            save_file(content, part)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        return content


def _at_rest(content: Content) -> Content:
    """As it is kept: on the CPU, whatever device made it."""
    return {name: held.detach().cpu().contiguous() for name, held in content.items()}


@dataclass
class Pace:
    """How long a run of several benchmarks still takes, from the speed so far."""

    left: float
    """Weight of the cells that are still to be made."""
    done: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def after(self, weight: float) -> str:
        """Count a finished cell; the time left, as people say it."""
        self.done, self.left = self.done + weight, max(0.0, self.left - weight)
        return clock((time.monotonic() - self.began) / self.done * self.left)


def weight_of(cells: Iterable[Cell], store: CellStore) -> float:
    """What the missing ones among cells weigh, each counted once."""
    missing = {cell.address: cell.weight for cell in cells if not store.has(cell)}
    return sum(missing.values())


def work_off(
    cells: Sequence[Cell], store: CellStore, say: Callable[[str], None], pace: Pace | None = None
) -> list[Content]:
    """Compute all cells in order, with a line about each and the time left.

    Args:
        pace: of the run that these cells are part of; without it they are the run.
    """
    pace = pace or Pace(weight_of(cells, store))
    out = []
    for place, cell in enumerate(cells, 1):
        known, began = store.has(cell), time.monotonic()
        out.append(store.get(cell))
        if not known:
            took = f"{time.monotonic() - began:.1f} s"
            say(f"{place} of {len(cells)}: {cell.name}; {took}, {pace.after(cell.weight)} left")
    return out


def clock(seconds: float) -> str:
    """Seconds as people say them: '45 s', '12 min'."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def hash_of_texts(texts: Iterable[str]) -> str:
    """SHA-256 of texts, in order."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
