"""What a pre-training found and is worth, in lines for the table's head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from magdr_video.reconstruction.composer import Chain, chains_of
from magdr_video.reconstruction.fitted import RecNetTable
from magdr_video.training.chain_trials import Ranked, Trials
from magdr_video.training.moving_views import KINDS, Base
from magdr_video.training.recnet_fit import Fitted, Tried, try_chains
from magdr_video.training.recnet_search import search
from magdr_video.training.recnet_table import chain_text


def agreement(psnr: Tensor, scores: Tensor) -> float:
    """Rank correlation (Spearman) of PSNR(O) and minus S_final; 1: both order alike."""
    ranks = [torch.argsort(torch.argsort(values)).double() for values in (psnr, -scores)]
    return float(torch.corrcoef(torch.stack(ranks))[0, 1])


def _numbers(ranked: Sequence[Ranked]) -> tuple[Tensor, Tensor]:
    return (
        torch.tensor([one.psnr for one in ranked]),
        torch.tensor([one.score for one in ranked]),
    )


def training_lines(done: Fitted) -> list[str]:
    """What was found on the training faces."""
    psnr, scores = _numbers(done.ranked)
    blind = done.ranked[int(scores.argmin())]
    best = done.ranked[int(psnr.argmax())]
    return [
        f"Training faces: best of {len(done.ranked)} settings {best.choice} {best.psnr:.2f} dB; "
        f"the smallest mean S_final would take {blind.choice} {blind.psnr:.2f} dB",
        f"  rank correlation of PSNR(O) and -S_final over settings {agreement(psnr, scores):.2f}",
        f"  best of {len(done.single.chains)} chains {done.single.mean(0):.2f} dB, "
        f"oracle {done.single.oracle:.2f} dB",
        f"Moving views: {', '.join(KINDS)}, counted alike",
        *(
            f"  {base}: no chain {float(tried.of(()).mean()):.2f} dB, "
            f"best of {len(tried.chains)} chains {chain_text(tried.chains[0]) or 'none'} "
            f"{tried.mean(0):.2f} dB"
            for base, tried in done.averaged.items()
        ),
    ]


def held_out_lines(
    single: Trials, averaged: Mapping[Base, Trials], done: Fitted, budget: int
) -> list[str]:
    """What the table does on identities that no fitting saw."""
    table = done.table
    best_single = next(chain for chain in done.single.chains if len(chain) == 1)
    chains = dict.fromkeys([*done.single.chains[:12], (), best_single])
    tried = try_chains(single, list(chains))
    recipes = chains_of(table.single.recipes(single.masks.regions))
    default = float(single.composed_psnr(recipes).mean())
    searched = search(single, table, budget)
    count = len(averaged[Base(1)]) // len(KINDS)
    return [
        f"Held-out: {len(single)} faces, PGD epsilon 0.05, 10 steps, 8-bit; PSNR(O) in dB",
        f"  no defence {float(tried.of(()).mean()):.2f}, "
        f"best single setting {_shown(best_single, tried)}, "
        f"best chain {_shown(table.single.default, tried)}",
        f"  default recipes {default:.2f}, "
        f"search of {budget} passes {float(searched.psnr.mean()):.2f} "
        f"({searched.searches} searches), oracle of {len(chains)} chains {tried.oracle:.2f}",
        f"Held-out frames of moving views, {count} each: {', '.join(KINDS)};",
        "  no chain / the default after averages",
        *(_view_line(base, trials, table) for base, trials in averaged.items()),
    ]


def _view_line(base: Base, trials: Trials, table: RecNetTable) -> str:
    bare, repaired = (
        trials.psnr(chain).reshape(len(KINDS), -1).mean(dim=1).tolist()
        for chain in ((), table.averaged.default)
    )
    pairs = [f"{a:.2f} / {b:.2f}" for a, b in zip(bare, repaired, strict=True)]
    fitted = Base(table.window, bool(table.motion_purifier))
    mark = " (as fitted)" if base == fitted else ""
    return f"  {base}: {', '.join(pairs)}{mark}"


def _shown(chain: Chain, tried: Tried) -> str:
    return f"{chain_text(chain) or 'none'} {float(tried.of(chain).mean()):.2f}"
