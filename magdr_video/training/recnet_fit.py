"""Algorithm 1, lines 1 to 6, and what a search needs beside them: chains, candidates, a margin."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.reconstruction.composer import Chain
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.training.chain_trials import (
    Ranked,
    Trials,
    best_of_categories,
    chains_among,
    rank_settings,
)
from magdr_video.transforms import LAYERS

Say = Callable[[str], None]

SCORED = 2
"""Faces on which S_final is measured for every setting; PSNR(O) is measured on all."""
PAIRED, TRIPLED = 4, 3
"""Categories, best first, whose ordered pairs and triples are tried exhaustively."""
CANDIDATES = 5
WITHIN = 0.7
"""dB below the best chain within which a chain fitted well enough to be searched among."""
REGION_GAIN = 0.1
"""dB on either half of the faces that a region's own chain must gain over the uniform one."""
MARGINS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""S_final by which a candidate must beat the default; the one with the best PSNR(O) is taken."""


@dataclass
class Tried:
    """Chains on the faces of one kind of input, best first."""

    chains: list[Chain]
    psnr: Tensor
    """(chains, F) PSNR(O), dB."""

    def mean(self, place: int) -> float:
        """Mean PSNR(O) of a chain, dB."""
        return float(self.psnr[place].mean())

    def of(self, chain: Chain) -> Tensor:
        """PSNR(O) of a chain on every face."""
        return self.psnr[self.chains.index(chain)]

    @property
    def oracle(self) -> float:
        """Mean over faces of the best chain of each, dB."""
        return float(self.psnr.amax(dim=0).mean())


def try_chains(trials: Trials, chains: Sequence[Chain]) -> Tried:
    """PSNR(O) of every chain, sorted by its mean."""
    values = torch.stack([trials.psnr(chain) for chain in chains])
    order = torch.argsort(values.mean(dim=1), descending=True).tolist()
    return Tried([chains[place] for place in order], values[order])


def candidates_of(tried: Tried) -> tuple[Chain, ...]:
    """The chains that fitted well, best first; the default leads them."""
    best = tried.mean(0)
    near = [c for p, c in enumerate(tried.chains) if tried.mean(p) >= best - WITHIN]
    return tuple(near[:CANDIDATES])


@dataclass
class Fitted:
    """The outcome of a pre-training with what was seen on the way."""

    table: RecNetTable
    ranked: list[Ranked]
    single: Tried
    averaged: dict[int, Tried]
    """By window, on moving views."""


def region_chains(trials: Trials, tried: Tried, candidates: Sequence[Chain]) -> dict[str, Chain]:
    """Chains of regions that gain over the uniform one on both halves of the faces, greedily."""
    default = candidates[0]
    held: dict[str, Chain] = dict.fromkeys(trials.masks.regions, default)
    best = tried.of(default)
    areas = trials.masks.data.mean(dim=(0, 2, 3)).cpu()
    own: dict[str, Chain] = {}
    for place in torch.argsort(areas, descending=True).tolist():
        region = trials.masks.regions[place]
        for chain in ((), *candidates[1:4]):
            psnr = trials.composed_psnr(held | {region: chain})
            gain = psnr - best
            halves = float(gain[::2].mean()), float(gain[1::2].mean())
            if min(halves) >= REGION_GAIN:
                held[region], own[region], best = chain, chain, psnr
    return own


def fit_margin(psnr: Tensor, scores: Tensor) -> tuple[float, float]:
    """The margin in S_final that makes the smallest score the best PSNR(O), and that PSNR(O).

    Args:
        psnr: (candidates, F) dB; the first is the default.
        scores: (candidates, F) S_final.
    """
    results = [(chosen_psnr(psnr, scores, margin), margin) for margin in MARGINS]
    # Of equal ones the largest: it spends no recipe change on nothing.
    best, margin = max(results)
    return margin, best


def chosen_psnr(psnr: Tensor, scores: Tensor, margin: float) -> float:
    """Mean PSNR(O) when the smallest S_final decides, where it beats the default by the margin."""
    best = scores.argmin(dim=0)
    faces = torch.arange(psnr.shape[1])
    wins = scores[best, faces] < scores[0] - margin
    return float(torch.where(wins, psnr[best, faces], psnr[0]).mean())


def _layers(ranked: Sequence[Ranked], least: float) -> tuple[tuple[Ranked, ...], ...]:
    """Q_i: the best settings that do not lose against the bare crop, layer by layer."""
    best = [one for one in best_of_categories(ranked) if one.psnr >= least]
    return tuple(tuple(o for o in best if o.layer == layer) for layer in range(len(LAYERS)))


def best_window(averaged: Mapping[int, Tried]) -> int:
    """The window whose best chain has the highest PSNR(O)."""
    return max(averaged, key=lambda window: averaged[window].mean(0))


def fit(task: str, model: str, single: Trials, averaged: Mapping[int, Trials], say: Say) -> Fitted:
    """Pre-train Rec-Net for a generator.

    Args:
        model: SHA-256 of its weights.
        single: attacked faces.
        averaged: attacked and averaged ones, by window.
        say: told of every step.
    """
    ranked = rank_settings(single, SCORED)
    say(f"{len(ranked)} settings tried")
    choices = [one.choice for one in best_of_categories(ranked)]
    tried = try_chains(single, [(), *chains_among(choices, pairs=PAIRED, triples=TRIPLED)])
    say(f"{len(tried.chains)} chains tried, best {tried.mean(0):.2f} dB")
    candidates = candidates_of(tried)
    scores = torch.stack([single.score(chain) for chain in candidates])
    psnr = torch.stack([tried.of(chain) for chain in candidates])
    margin, _ = fit_margin(psnr, scores)
    regions = region_chains(single, tried, candidates)
    say(f"margin {margin}, own chains for {', '.join(regions) or 'no region'}")
    gentle = list(dict.fromkeys([(), *((choice,) for choice in choices), *candidates]))
    after = {window: try_chains(held, gentle) for window, held in averaged.items()}
    window = best_window(after)
    say(f"best window {window}: {after[window].mean(0):.2f} dB")
    layers = _layers(ranked, least=tried.mean(tried.chains.index(())))
    table = RecNetTable(
        task=task,
        model=model,
        single=Fit(candidates[0], regions, candidates[1:]),
        averaged=Fit(after[window].chains[0], {}, candidates_of(after[window])[1:]),
        layers=tuple(tuple(one.choice for one in layer) for layer in layers),
        window=window,
        margin=margin,
    )
    return Fitted(table, ranked, tried, after)
