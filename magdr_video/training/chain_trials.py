"""Chains of the bank tried on attacked faces whose clean originals are known."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.criteria import psnr_db
from magdr_video.detection.detector import PerturbationDetector
from magdr_video.reconstruction.composer import Chain, Composer
from magdr_video.reconstruction.recnet import take
from magdr_video.transforms import BANK, available_layers
from magdr_video.types import Masks, TransformChoice

Generate = Callable[[Tensor, Tensor], Tensor]
"""Crops (F, 3, S, S) in [0, 1] and conditions (F, C) to translations."""


def kept(folder: Path | None, name: str, key: str, make: Callable[[], Tensor]) -> Tensor:
    """What `make` gives, kept in a file between runs.

    Args:
        folder: where files are kept; None keeps nothing.
        name: begins the file's name.
        key: everything that the result depends on.
    """
    if folder is None:
        return make()
    path = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.pt"
    if path.exists():
        held: Tensor = torch.load(path, weights_only=True, map_location="cpu")
        return held
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(made, path)
    return made


@dataclass
class Trials:
    """Attacked (or attacked and averaged) faces, and what their translation should have been.

    Attributes:
        crops: (F, 3, S, S) in [0, 1].
        masks: of the crops.
        condition: (F, C).
        wanted: (F, 3, S, S), the translation of the clean faces.
        generate: the generator.
        detector: scores candidates.
    """

    crops: Tensor
    masks: Masks
    condition: Tensor
    wanted: Tensor
    generate: Generate
    detector: PerturbationDetector

    def __post_init__(self) -> None:
        self._composer = Composer(self.crops, self.masks)

    def __len__(self) -> int:
        return len(self.crops)

    def rows(self, rows: Sequence[int]) -> Trials:
        """Some of the faces."""
        chosen = list(rows)
        return Trials(
            self.crops[chosen],
            take(self.masks, chosen),
            self.condition[chosen],
            self.wanted[chosen],
            self.generate,
            self.detector,
        )

    def output_db(self, repaired: Tensor) -> Tensor:
        """PSNR(O) of repaired crops, (F,) dB, on the CPU, where tables are fitted."""
        return psnr_db(self.generate(repaired, self.condition), self.wanted).cpu()

    def psnr(self, chain: Chain) -> Tensor:
        """PSNR(O) of a chain on every face, (F,) dB."""
        return self.output_db(self._composer.result(chain))

    def composed_psnr(self, chains: dict[str, Chain]) -> Tensor:
        """PSNR(O) of one chain a region, (F,) dB."""
        return self.output_db(self._composer.compose(chains))

    def score(self, chain: Chain) -> Tensor:
        """S_final of a chain on every face, (F,), on the CPU."""
        repaired = self._composer.result(chain)
        return self.detector.inspect(repaired, self.masks, self.condition).s_final.cpu()


def settings_of(category: str) -> list[TransformChoice]:
    """Every setting of a category."""
    return [TransformChoice(category, tuple(held.items())) for held in BANK[category].grid]


@dataclass(frozen=True)
class Ranked:
    """One setting of the bank as it did on training faces."""

    choice: TransformChoice
    layer: int
    psnr: float
    """Mean PSNR(O), dB."""
    score: float
    """Mean S_final."""


def rank_settings(trials: Trials, scored: int) -> list[Ranked]:
    """Lines 1 to 6: every (category, setting) of every layer by PSNR(O) and by S_final.

    Args:
        scored: faces on which S_final is measured too, it costs 1 + K passes each; NaN with 0.
    """
    few = trials.rows(range(min(scored, len(trials))))

    def score(choice: TransformChoice) -> float:
        return float(few.score((choice,)).mean()) if len(few) else float("nan")

    return [
        Ranked(choice, layer, float(trials.psnr((choice,)).mean()), score(choice))
        for layer, categories in enumerate(available_layers())
        for category in categories
        if category != "identity"
        for choice in settings_of(category)
    ]


def best_of_categories(ranked: Iterable[Ranked]) -> list[Ranked]:
    """The best setting of each category by PSNR(O), best first."""
    best: dict[str, Ranked] = {}
    for one in sorted(ranked, key=lambda held: held.psnr, reverse=True):
        best.setdefault(one.choice.category, one)
    return list(best.values())


def chains_among(choices: Sequence[TransformChoice], *, pairs: int, triples: int) -> list[Chain]:
    """Every single, every ordered pair of the first `pairs`, every triple of the first `triples`.

    No category comes twice in a chain.
    """
    out: list[Chain] = [(one,) for one in choices]
    out += [(a, b) for a in choices[:pairs] for b in choices[:pairs] if a != b]
    out += [
        (a, b, c)
        for a in choices[:triples]
        for b in choices[:triples]
        for c in choices[:triples]
        if len({a, b, c}) == 3
    ]
    return out
