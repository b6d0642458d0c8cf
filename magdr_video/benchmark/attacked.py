"""Attacked crops, made once for all tables and kept on disk, a few faces a cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from magdr_video.attacks.defence import Defence
from magdr_video.attacks.pgd import round_within
from magdr_video.attacks.problem import Perturbed, Problem
from magdr_video.attacks.reaching import Reaching
from magdr_video.attacks.registry import ATTACKS, attack
from magdr_video.benchmark.cells import Cell, CellStore, hash_of_texts, source_hash
from magdr_video.benchmark.subject import FaceSet, Subject
from magdr_video.benchmark.threats import CONDITIONS, MANY_CONDITIONS, Threat
from magdr_video.training.clean_faces import USUAL_RATE
from magdr_video.training.framed_faces import way_into_frames

ROOMS = ("attacks/loop", "attacks/problem", "attacks/registry", "benchmark/attacked")
"""Whose source, beside the generator's and the attack's own, decides what a crop is."""

FRAME_ROOMS = ("attacks/reaching", "faces/carried", "training/framed_faces")
"""The same of an attack on a face in a frame."""

BLOCK = 4
"""Faces of a cell: few, so that an interruption loses little and more faces take over the first."""
AT_ONCE = 64
"""Faces that are attacked together on a GPU, which a block does not fill; a multiple of it."""

CROPS, FOUND, UNBOUNDED = "crops", "found", "unbounded"
"""Tensors of a cell: uint8 crops; of C&W also (F,) successes and uint8 crops before clipping."""

KnownDefence = Callable[[slice], Defence]
"""What an adaptive attacker knows, for some of the faces; made only when it is needed."""


def _conditions(subject: Subject, faces: slice, several: bool) -> Tensor:
    """(F, C), or (L, F, C): the face's own condition, then the ones after it in the cycle."""
    kinds = min(CONDITIONS, len(subject.condition_rows)) if several else 1
    cycle = subject.conditions(faces.stop + kinds - 1)
    rows = [cycle[faces.start + shift : faces.stop + shift] for shift in range(kinds)]
    return torch.stack(rows) if kinds > 1 else rows[0]


@dataclass(frozen=True)
class Attacked:
    """The faces of a set under one attack: cells of a few faces each, shared by all tables."""

    cells: tuple[Cell, ...]
    device: torch.device
    """Where its faces are looked at."""

    @cached_property
    def address(self) -> str:
        """What the crops depend on: part of the keys of what is measured on them."""
        return hash_of_texts(cell.address for cell in self.cells)

    def images(self, store: CellStore, steps: int | None = None) -> Tensor:
        """(F, 3, S, S) float32 in [0, 1], in 8-bit levels.

        Args:
            steps: as if the attack had ended after so many; it must have kept them
                (`attacks.loop.MARKS`).
        """
        held = self.held(store, CROPS if steps is None else f"{CROPS}@{steps}")
        return held.float() / 255

    def held(self, store: CellStore, name: str) -> Tensor:
        """One of the cells' tensors, faces joined, on the device."""
        return torch.cat([store.get(cell)[name] for cell in self.cells]).to(self.device)


def attacked(
    subject: Subject,
    faces: FaceSet,
    chosen: Threat,
    seed: int,
    *,
    defence: KnownDefence | None = None,
    defended: Mapping[str, Any] | None = None,
    in_frame: bool = False,
) -> Attacked:
    """The cells of a face set under an attack; a face's crop does not depend on the set's size.

    Args:
        defended: what the defence depends on, for the key.
        in_frame: the attack knows that the crop will be shown in a frame, as `protect` does.
    """
    own = ATTACKS[chosen.name].__module__.removeprefix("magdr_video.").replace(".", "/")
    source = source_hash((*ROOMS, own, *(FRAME_ROOMS if in_frame else ()), *subject.rooms))
    shown_at = {"frame pixels for one of the crop": USUAL_RATE} if in_frame else {}
    several = chosen.name in MANY_CONDITIONS

    wide = _faces_at_once(subject.device)

    def make(part: slice) -> dict[str, Tensor]:
        crops = faces.crops[part]
        problem = Problem(
            generate=_shown(subject, crops) if in_frame else subject.translator,
            images=crops,
            condition=_conditions(subject, part, several),
            target=subject.target(crops),
            first=part.start,
            defence=None if defence is None else defence(part),
        )
        found = attack(chosen.name, problem, chosen.options(seed), chunk=wide)
        return _content(found, crops, chosen.settings["epsilon"])

    def cell(part: slice) -> Cell:
        condition = _conditions(subject, part, several)
        key = {
            "generator": subject.identity["generator"],
            "faces": faces.part(part).digest,
            "first": part.start,
            "condition": condition.tolist(),
            "attack": chosen.name,
            "settings": dict(chosen.settings),
            "seed": seed,
            "defended": dict(defended or {}),
            "source": source,
            **shown_at,
        }

        shown = ", ".join(f"{name} {value:g}" for name, value in chosen.settings.items())
        attack_name = f"{chosen.name} in a frame" if in_frame else chosen.name
        which = f"faces {part.start + 1} to {part.stop}"
        name = f"{subject.task}: {attack_name} ({shown}) on {which}"
        weight = chosen.passes * (part.stop - part.start)
        return Cell(name, key, weight, lambda: made.pop(part))

    made = _Ahead(make, len(faces), wide)
    return Attacked(tuple(cell(part) for part in blocks(len(faces))), subject.device)


def _shown(subject: Subject, crops: Tensor) -> Reaching:
    """The generator behind a frame that holds the crops where `encoded.through_codec` puts them."""
    # Two pixels off the frame's edge, so that chroma samples lie as they do there.
    corner = (USUAL_RATE - 1) / 2 + 2
    return Reaching(subject.translator, way_into_frames(crops, USUAL_RATE, (corner, corner)))


def _faces_at_once(device: torch.device) -> int:
    return BLOCK if device.type == "cpu" else AT_ONCE


class _Ahead:
    """Attacks more faces than are asked for and hands them out block by block.

    No face's crop depends on the faces beside it, so that the blocks are those made alone.

    Args:
        make: attacks a part of the faces.
        count: faces in all.
        wide: faces that are attacked together.
    """

    def __init__(self, make: Callable[[slice], dict[str, Tensor]], count: int, wide: int) -> None:
        self._make, self._count, self._wide = make, count, wide
        self._ready: dict[int, dict[str, Tensor]] = {}

    def pop(self, block: slice) -> dict[str, Tensor]:
        """A block's content, made with the blocks after it where it is not there yet."""
        if block.start not in self._ready:
            whole = slice(block.start, min(block.start + self._wide, self._count))
            content = self._make(whole)
            for part in blocks(whole.stop - whole.start):
                cut = {name: held[part] for name, held in content.items()}
                self._ready[block.start + part.start] = cut
        return self._ready.pop(block.start)


def blocks(count: int) -> list[slice]:
    """Slices of `BLOCK` faces, the last one shorter."""
    return [slice(at, min(at + BLOCK, count)) for at in range(0, count, BLOCK)]


def _content(made: Perturbed, origin: Tensor, epsilon: float) -> dict[str, Tensor]:
    """Crops in 8 bits, within the bound, at the end and along the way."""

    def levels(images: Tensor) -> Tensor:
        return (images * 255).round().to(torch.uint8)

    out = {CROPS: levels(round_within(made.images, origin, epsilon))}
    for steps, images in made.along.items():
        out[f"{CROPS}@{steps}"] = levels(round_within(images, origin, epsilon))
    if made.unbounded is not None and made.found is not None:
        out |= {UNBOUNDED: levels(made.unbounded), FOUND: made.found.to(torch.uint8)}
    return out


def cells_of(sets: Sequence[Attacked]) -> list[Cell]:
    """All cells of several sets."""
    return [cell for one in sets for cell in one.cells]
