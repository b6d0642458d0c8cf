"""Algorithm 1, lines 1 to 6, and what a search needs beside them: chains, candidates, a margin."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.models import zoo
from magdr_video.reconstruction.composer import Chain
from magdr_video.reconstruction.fitted import Fit, RecNetTable
from magdr_video.training.chain_trials import (
    Ranked,
    Trials,
    best_of_categories,
    chains_among,
    rank_settings,
    settings_of,
)
from magdr_video.training.moving_views import Base
from magdr_video.transforms import LAYERS
from magdr_video.transforms.purify import MOTION_WEIGHTS

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
ALL_SETTINGS, GENTLE = 3, 6
"""Categories, best first, of which every setting, and of which the best, is tried after an average:
what fits a whole perturbation best may be too strong for what is left."""
LEAST_GAIN = 0.1
"""dB that a search must gain in the mean for what it finds to be used."""
USUAL_MARGIN = 4.0
"""S_final by which a search must beat the default where the faces do not say that less will do."""


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
    averaged: dict[Base, Tried]
    """On moving views, by what the chains begin with."""


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


def fit_margin(lowered: Tensor, gained: Tensor) -> float:
    """The fall of S_final above which what a search found is better than the default.

    Whatever S_final says, a default that fitted well is a good guess: unless a margin makes the
    search gain `LEAST_GAIN` in the mean and nothing be lost on either half of the faces, it is set
    so high that none of them leaves the default.

    Args:
        lowered: (F,) by how much the search lowered S_final of training faces.
        gained: (F,) dB of PSNR(O) that it gained.
    """
    best, margin = LEAST_GAIN, None
    for tried in sorted({0.0, *lowered.tolist()}):
        gain = torch.where(lowered > tried, gained, torch.zeros_like(gained))
        halves = float(gain[::2].mean()), float(gain[1::2].mean())
        # Of equal ones the largest: it spends no recipe change on nothing.
        if min(halves) >= 0 and float(gain.mean()) >= best:
            best, margin = float(gain.mean()), tried
    if margin is None:
        margin = max(float(lowered.max()), USUAL_MARGIN)
    # Rounded up, so that the table's text lets no face pass that was to be kept back.
    return math.ceil(margin * 100) / 100


def _layers(ranked: Sequence[Ranked], least: float) -> tuple[tuple[Ranked, ...], ...]:
    """Q_i: the best settings that do not lose against the bare crop, layer by layer."""
    best = [one for one in best_of_categories(ranked) if one.psnr >= least]
    return tuple(tuple(o for o in best if o.layer == layer) for layer in range(len(LAYERS)))


def best_base(averaged: Mapping[Base, Tried]) -> Base:
    """The one whose best chain, which may be none, has the highest PSNR(O)."""
    return max(averaged, key=lambda base: averaged[base].mean(0))


def gentle_chains(ranked: Sequence[Ranked], candidates: Sequence[Chain]) -> list[Chain]:
    """What is tried after an average: nothing, weak settings as well as strong ones, candidates."""
    best = [one.choice for one in best_of_categories(ranked)]
    every = [setting for one in best[:ALL_SETTINGS] for setting in settings_of(one.category)]
    singles = [*every, *best[ALL_SETTINGS:GENTLE]]
    return list(dict.fromkeys([(), *((one,) for one in singles), *candidates]))


def fit(task: str, model: str, single: Trials, averaged: Mapping[Base, Trials], say: Say) -> Fitted:
    """Pre-train Rec-Net for a generator; the margin of a search is `USUAL_MARGIN` so far.

    Args:
        model: SHA-256 of its weights.
        single: attacked faces.
        averaged: frames of attacked clips, by what becomes of them before a chain.
        say: told of every step.
    """
    ranked = rank_settings(single, SCORED)
    say(f"{len(ranked)} settings tried")
    choices = [one.choice for one in best_of_categories(ranked)]
    tried = try_chains(single, [(), *chains_among(choices, pairs=PAIRED, triples=TRIPLED)])
    say(f"{len(tried.chains)} chains tried, best {tried.mean(0):.2f} dB")
    candidates = candidates_of(tried)
    regions = region_chains(single, tried, candidates)
    say(f"own chains for {', '.join(regions) or 'no region'}")
    gentle = gentle_chains(ranked, candidates)
    # Trials keep what they try; of all bases that would be gigabytes.
    after = {b: try_chains(held.rows(range(len(held))), gentle) for b, held in averaged.items()}
    base = best_base(after)
    say(f"best base {base}: {after[base].mean(0):.2f} dB")
    default = after[base].chains[0]
    # The average alone is always worth a score: a search may find that a chain only costs.
    others = [c for c in dict.fromkeys([*candidates_of(after[base]), ()]) if c != default]
    layers = _layers(ranked, least=tried.mean(tried.chains.index(())))
    table = RecNetTable(
        task=task,
        model=model,
        single=Fit(candidates[0], regions, candidates[1:]),
        averaged=Fit(default, {}, tuple(others)),
        layers=tuple(tuple(one.choice for one in layer) for layer in layers),
        window=base.window,
        margin=USUAL_MARGIN,
        motion_purifier=zoo.find(MOTION_WEIGHTS).sha256 if base.purified else "",
    )
    return Fitted(table, ranked, tried, after)
