"""What a pre-training found and is worth, in lines for the table's head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from magdr_video.reconstruction.composer import Chain, chains_of
from magdr_video.reconstruction.fitted import Repair
from magdr_video.training.chain_trials import Ranked, Trials
from magdr_video.training.recnet_fit import Fitted, FittedKind, Kind, Tried, try_chains
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
    psnr, scores = _numbers(done.intact.ranked)
    blind = done.intact.ranked[int(scores.argmin())]
    best = done.intact.ranked[int(psnr.argmax())]
    return [
        f"Training faces: best of {len(done.intact.ranked)} settings {best.choice} "
        f"{best.psnr:.2f} dB; the smallest mean S_final would take {blind.choice} "
        f"{blind.psnr:.2f} dB",
        f"  rank correlation of PSNR(O) and -S_final over settings {agreement(psnr, scores):.2f}",
        *_kind_lines("", done.intact),
        *_kind_lines("after H.264 crf 18, 23, 28, ", done.compressed),
    ]


def _kind_lines(kind: str, done: FittedKind) -> list[str]:
    single = done.single
    return [
        f"  {kind}single faces: no chain {float(single.of(()).mean()):.2f} dB, "
        f"best of {len(single.chains)} chains {single.mean(0):.2f} dB, "
        f"oracle {single.oracle:.2f} dB",
        *(
            f"  {kind}{_frames(window)}: no chain {float(tried.of(()).mean()):.2f} dB, "
            f"best of {len(tried.chains)} chains {tried.mean(0):.2f} dB"
            for window, tried in done.averaged.items()
        ),
    ]


def _frames(window: int) -> str:
    return "moving views, frames alone" if window == 1 else f"average of {window} frames"


def held_out_lines(intact: Kind, compressed: Kind, done: Fitted, budget: int) -> list[str]:
    """What the table does on identities that no fitting saw."""
    told = []
    for kind in (intact, compressed):
        crops = kind.crops()
        told.append(f"{int((done.signs.odds(crops) > 0).sum())} of {len(crops)}")
    return [
        f"Held-out: {len(intact.single)} faces, PGD epsilon 0.05, 10 steps, 8-bit; PSNR(O) in dB",
        *_single_lines("", intact, done, done.intact, budget),
        *_single_lines("after a codec, ", compressed, done, done.compressed, budget),
        f"  taken for encoded: {told[0]} that were not, {told[1]} that were",
    ]


def _single_lines(
    name: str, kind: Kind, done: Fitted, fitted: FittedKind, budget: int
) -> list[str]:
    """One kind of face: its chains, its search and its views."""
    compressed, repair = fitted is done.compressed, fitted.repair
    best_single = next(chain for chain in fitted.single.chains if len(chain) == 1)
    # What would repair it if nobody told the kinds apart.
    usual = done.intact.repair.single.default
    chains = dict.fromkeys([*fitted.single.chains[:12], (), best_single, usual])
    tried = try_chains(kind.single, list(chains))
    recipes = chains_of(repair.single.recipes(kind.single.masks.regions))
    default = float(kind.single.composed_psnr(recipes).mean())
    searched = search(kind.single, done.table, budget, compressed=compressed)
    return [
        f"  {name}no defence {float(tried.of(()).mean()):.2f}, "
        f"best single setting {_shown(best_single, tried)}, "
        f"best chain {_shown(repair.single.default, tried)}"
        + (f", that of other faces {_shown(usual, tried)}" if compressed else ""),
        f"  {name}default recipes {default:.2f}, "
        f"search of {budget} passes {float(searched.psnr.mean()):.2f} "
        f"({searched.searches} searches), "
        f"oracle of {len(chains)} chains {tried.oracle:.2f}",
        *(_view_line(name, window, trials, repair) for window, trials in kind.averaged.items()),
    ]


def _view_line(name: str, window: int, trials: Trials, repair: Repair) -> str:
    chain = repair.single.default if window == 1 else repair.averaged.default
    bare, repaired = float(trials.psnr(()).mean()), float(trials.psnr(chain).mean())
    mark = ", as fitted" if window == repair.window else ""
    return (
        f"  {name}{len(trials)} views, {_frames(window)}: no chain {bare:.2f}, "
        f"default {repaired:.2f}{mark}"
    )


def _shown(chain: Chain, tried: Tried) -> str:
    return f"{chain_text(chain) or 'none'} {float(tried.of(chain).mean()):.2f}"
