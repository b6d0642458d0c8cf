"""Attacked faces for the purifier's training, made ahead and kept on disk.

An attack costs ten times what a step of the training does, so that each is used many times: under
other strengths, mirrored, recompressed. A piece is named by its number, the generator it was made
against and all that it is drawn by, so that other weights, seeds, sizes or faces get pieces of
their own; a pool that is asked alike makes it alike again. A change of this module's code has no
part in the name: begin such a pool in a new folder.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from magdr_video.attacks.loop import round_within
from magdr_video.attacks.problem import Generate, Options, Problem
from magdr_video.attacks.reaching import Reaching
from magdr_video.attacks.registry import attack
from magdr_video.device import choose_device
from magdr_video.models.conditions import EXPRESSIONS, HAIR_SUFFIX
from magdr_video.training.clean_faces import film
from magdr_video.training.drawn_conditions import single_edits
from magdr_video.training.faces_data import Array, OmiFaces, jitter
from magdr_video.training.framed_faces import drawn_way
from magdr_video.transforms import gaussian
from magdr_video.translation import Translator, condition_values

KINDS = (
    *("pgd", "pgd", "joint", "pgd", "blurred", "momentum", "cw"),
    *("pgd", "pgd", "joint", "pgd", "blurred", "momentum"),
    *("framed", "framed", "momentum framed", "framed", "cw framed", "framed"),
)
"""What the faces of a piece are attacked with, in turn; 'framed' so that it arrives in a frame."""

METHODS = ("momentum", "cw")
"""Kinds that are attacks; the others are PGD on another objective."""

CW_STEPS = 8
"""Adam steps of each of its five trade-offs, a twenty-fifth of the paper's: what matters here is
how its changes look, smooth and of uneven strength, and a piece must not cost an hour."""

CRFS = (18, 23, 28)
BLURS = (1.0, 2.0)
STRENGTHS = (0.01, 0.1)
"""Range of epsilon, in [-1, 1] units."""
RANGES = (CW_STEPS, CRFS, BLURS, STRENGTHS)
"""What an attack and its film are drawn from."""


@dataclass(frozen=True)
class Piece:
    """Faces attacked against one generator, (F, 3, S, S) uint8 each; `filmed` are after H.264."""

    clean: Tensor
    attacked: Tensor
    clean_filmed: Tensor
    attacked_filmed: Tensor
    condition: Tensor
    """(F, C) float32."""

    def __len__(self) -> int:
        return len(self.clean)


def draw_conditions(translator: Translator, count: int, rng: np.random.Generator) -> Tensor:
    """(F, C) conditions as users ask for them."""
    record = translator.record
    rows = []
    for _ in range(count):
        asked: dict[str, str] = {}
        if record.task == "edit":
            asked = {"attributes": _drawn_edit(record.conditions, rng)}
        elif record.task == "reenact":
            asked = {"expression": str(rng.choice(list(EXPRESSIONS)))}
        strength = float(rng.uniform(0.5, 1.0))
        rows.append(condition_values(record, **asked, strength=strength))
    return torch.tensor(rows, device=translator.device).reshape(count, -1)


def _drawn_edit(names: Sequence[str], rng: np.random.Generator) -> str:
    """Half of the time one attribute alone, else a hair colour and perhaps others beside it.

    With a hair colour in every edit the detector found fewer attacks on edit (see the card).
    """
    if rng.random() < 0.5:
        return str(rng.choice(single_edits(names)))
    words = [str(rng.choice([name for name in names if name.endswith(HAIR_SUFFIX)]))]
    for pair in (("Male", "Female"), ("Young", "Old")):
        if pair[0] in names and rng.random() < 0.3:
            words.append(str(rng.choice(pair)))
    return ",".join(words)


def _joint(translator: Translator, other: Tensor) -> Generate:
    """Both translations side by side: the attack must break the two at once."""

    def generate(faces: Tensor, condition: Tensor) -> Tensor:
        both = [translator.translate(faces, c) for c in (condition, other)]
        return torch.cat(both, dim=1)

    return generate


def _blurred(translator: Translator) -> Generate:
    """Translations of blurred copies: the attack must survive smoothing."""

    def generate(faces: Tensor, condition: Tensor) -> Tensor:
        copies = [gaussian(faces, sigma=sigma) for sigma in BLURS]
        return torch.cat([translator.translate(copy, condition) for copy in copies], dim=1)

    return generate


def attacked_alike(
    translator: Translator,
    faces: Tensor,
    condition: Tensor,
    kind: str,
    rng: np.random.Generator,
) -> Tensor:
    """One attack, of one strength, on (F, 3, S, S) in [0, 1]; rounded to 8 bits."""
    epsilon, steps = float(rng.uniform(*STRENGTHS)), int(rng.integers(4, 9))
    generate: Generate = translator.translate
    if kind == "joint" and translator.record.task != "replace":
        generate = _joint(translator, draw_conditions(translator, len(faces), rng))
    elif kind == "blurred":
        generate = _blurred(translator)
    way = drawn_way(faces, rng) if kind.endswith("framed") else None
    if way is not None:
        generate = Reaching(translator, way)
    method = next((name for name in METHODS if kind.startswith(name)), "pgd")
    # The paper's attack on `replace` moves the output back to the input (eq. 2).
    nullify = translator.record.task == "replace" and kind not in ("joint", "blurred")
    problem = Problem(generate, faces, condition, faces if nullify else None)
    seed = int(rng.integers(2**31))
    options = Options(epsilon=epsilon, step_size=epsilon * 2 / steps, steps=steps, seed=seed)
    if method == "cw":
        options = Options(epsilon=epsilon, steps=CW_STEPS, seed=seed)
    attacked = attack(method, problem, options).images
    return round_within(attacked, faces, epsilon) if way is None else way(attacked)


def to_bytes(images: Tensor) -> Tensor:
    """Images in [0, 1] to uint8 on the CPU."""
    return (images * 255).round().clamp(0, 255).to(torch.uint8).cpu()


def make_piece(translator: Translator, faces: Tensor, rng: np.random.Generator, kind: str) -> Piece:
    """Attack faces (F, 3, S, S) uint8, two at a time so that each pair has its own strength.

    The work is done on the generator's device; the piece lies on the CPU.
    """
    clean = faces.to(translator.device).float() / 255
    condition = draw_conditions(translator, len(faces), rng)
    parts = []
    for start in range(0, len(faces), 2):
        pair = slice(start, start + 2)
        parts.append(attacked_alike(translator, clean[pair], condition[pair], kind, rng))
    attacked = torch.cat(parts)
    crf = int(rng.choice(CRFS))
    filmed = film(torch.cat([clean, attacked]), crf)
    return Piece(
        faces.cpu(),
        to_bytes(attacked),
        to_bytes(filmed[: len(faces)]),
        to_bytes(filmed[len(faces) :]),
        condition.cpu(),
    )


@dataclass(frozen=True)
class Pool:
    """Pieces on disk, made when they are first asked for.

    Attributes:
        folder: home of the pieces.
        translators: the generators, which take turns.
        names: faces to draw from.
        size: side of the crops, px.
        count: faces a piece.
        seed: of faces, conditions and attacks.
    """

    folder: Path
    translators: Sequence[Translator]
    faces: OmiFaces
    names: Sequence[str]
    size: int = 128
    count: int = 12
    seed: int = 1234

    def translator(self, number: int) -> Translator:
        """The generator that a piece was made against."""
        return self.translators[number % len(self.translators)]

    def kind(self, number: int) -> str:
        """What the faces of a piece are attacked with: each generator has all `KINDS` in turn."""
        return KINDS[number // len(self.translators) % len(KINDS)]

    def path(self, number: int) -> Path:
        """Where a piece lies; its name tells the generator's weights and what else makes it."""
        weights = self.translator(number).record.sha256[:12]
        drawn_by = (self.seed, self.size, self.count, self.kind(number), tuple(self.names), RANGES)
        made_of = hashlib.sha256(repr(drawn_by).encode()).hexdigest()[:8]
        return self.folder / f"{number:05d}-{weights}-{made_of}.pt"

    def piece(self, number: int) -> Piece:
        """The piece of a number, made and written where it is not there yet."""
        path = self.path(number)
        if not path.exists():
            self._make(number, path)
        held = torch.load(path, weights_only=True, map_location="cpu")
        return Piece(**held)

    def _views(self, rng: np.random.Generator) -> Tensor:
        chosen = rng.choice(self.names, self.count, replace=False)
        views: list[Array] = [
            jitter([self.faces.image(str(name), 256)], self.size, rng)[0] for name in chosen
        ]
        return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).contiguous()

    @torch.enable_grad()
    def _make(self, number: int, path: Path) -> None:
        # A sheet of samples asks for its piece where gradients are off; an attack needs them.
        rng = np.random.default_rng((self.seed, number))
        made = make_piece(self.translator(number), self._views(rng), rng, self.kind(number))
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save(vars(made), part)
        part.replace(path)


def fill(pool: Pool, pieces: int, report: Callable[[str], None], workers: int = 0) -> None:
    """Make the first `pieces` of a pool, those that lie there already excepted.

    Args:
        workers: processes that make them side by side, each with the generators on their device,
            which one attack after the other leaves idle most of the time; 0 makes them here.
    """
    missing = [number for number in range(pieces) if not pool.path(number).exists()]
    for number in _made(pool, missing, workers):
        report(f"piece {number + 1} of {pieces}")


def _made(pool: Pool, numbers: Sequence[int], workers: int) -> Iterator[int]:
    if not workers:
        for number in numbers:
            pool.piece(number)
            yield number
        return
    device = str(pool.translators[0].device)
    # Neither a device in use nor its tensors can be handed to another process.
    packed = replace(pool, translators=[one.to("cpu") for one in pool.translators])
    with ProcessPoolExecutor(
        min(workers, max(len(numbers), 1)),
        multiprocessing.get_context("spawn"),
        _begin,
        (packed, device),
    ) as processes:
        waiting = {processes.submit(_make_one, number): number for number in numbers}
        for done in as_completed(waiting):
            done.result()
            yield waiting[done]


_POOL: Pool | None = None
"""Of a process that makes pieces."""


def _begin(pool: Pool, device: str) -> None:
    global _POOL
    torch.set_num_threads(1)
    place = choose_device(device)
    _POOL = replace(pool, translators=[one.to(place) for one in pool.translators])


def _make_one(number: int) -> None:
    assert _POOL is not None
    _POOL.piece(number)
