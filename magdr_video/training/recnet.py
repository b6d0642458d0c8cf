"""Pre-train Rec-Net for a task (Algorithm 1, lines 1 to 6) and write its table.

    magdr-video train recnet --task replace --data ../shared/data

Chains are fitted on attacked training faces by PSNR(O), the distance that Eq. 8 names and that
needs the clean face; S_final, which decides at inference, is measured beside it. The figures in
the table's head are of held-out identities.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.reconstruction.composer import Chain, chains_of
from magdr_video.reconstruction.fitted import RecNetTable
from magdr_video.settings import TASKS, preset_folder
from magdr_video.stages.chooser import Chooser, Faces
from magdr_video.training.chain_trials import Ranked, Trials
from magdr_video.training.clean_faces import face_files, list_hash
from magdr_video.training.recnet_fit import Fitted, Tried, fit, try_chains
from magdr_video.training.recnet_table import chain_text, table_text
from magdr_video.training.repair_faces import (
    Subject,
    attacked_faces,
    averaged_views,
    load_subject,
)
from magdr_video.types import RunReport

SEED = 1234
SEARCH_BUDGET = 60
"""Generator passes a face of the search that is measured."""


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """`count` files evenly over the list."""
    step = max(len(files) // max(count, 1), 1)
    return list(files[::step][:count])


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
        *(
            f"  {_frames(window)}: no chain {float(tried.of(()).mean()):.2f} dB, "
            f"best of {len(tried.chains)} chains {tried.mean(0):.2f} dB"
            for window, tried in done.averaged.items()
        ),
    ]


def _frames(window: int) -> str:
    return "moving views, frames alone" if window == 1 else f"average of {window} frames"


def search(trials: Trials, done: Fitted, budget: int) -> tuple[Tensor, int]:
    """PSNR(O) of every face as the search repairs it, and how many faces were searched."""
    report = RunReport()
    chooser = Chooser(trials.detector, done.table, budget, report)
    faces = Faces(
        bare=trials.crops,
        base=trials.crops,
        masks=trials.masks,
        condition=trials.condition,
        scores=[float("inf")] * len(trials),
        averaged=False,
    )
    repaired = []
    for row, choice in enumerate(chooser.choose(faces)):
        one = trials.rows([row])
        repaired.append(choice.apply(one.crops, one.masks))
    return trials.output_db(torch.cat(repaired)), report.searches


def held_out_lines(
    single: Trials, averaged: Mapping[int, Trials], done: Fitted, budget: int
) -> list[str]:
    """What the table does on identities that no fitting saw."""
    chains = dict.fromkeys([*done.single.chains[:12], (), _best_single(done)])
    tried = try_chains(single, list(chains))
    recipes = chains_of(done.table.single.recipes(single.masks.regions))
    default = float(single.composed_psnr(recipes).mean())
    searched, count = search(single, done, budget)
    return [
        f"Held-out: {len(single)} faces, PGD epsilon 0.05, 10 steps, 8-bit; PSNR(O) in dB",
        f"  no defence {float(tried.of(()).mean()):.2f}, "
        f"best single setting {_shown(_best_single(done), tried)}, "
        f"best chain {_shown(done.table.single.default, tried)}",
        f"  default recipes {default:.2f}, search of {budget} passes {float(searched.mean()):.2f} "
        f"({count} of {len(single)} faces searched), "
        f"oracle of {len(chains)} chains {tried.oracle:.2f}",
        *(_view_line(window, held, done.table) for window, held in averaged.items()),
    ]


def _view_line(window: int, held: Trials, table: RecNetTable) -> str:
    chain = table.single.default if window == 1 else table.averaged.default
    bare, repaired = float(held.psnr(()).mean()), float(held.psnr(chain).mean())
    return f"  {len(held)} views, {_frames(window)}: no chain {bare:.2f}, default {repaired:.2f}"


def _best_single(done: Fitted) -> Chain:
    return next(chain for chain in done.single.chains if len(chain) == 1)


def _shown(chain: Chain, tried: Tried) -> str:
    return f"{chain_text(chain)} {float(tried.of(chain).mean()):.2f}"


def pretrain(
    task: str,
    *,
    data: Path,
    out: Path,
    faces: int,
    held_out: int,
    views: int,
    cache: Path | None,
    device: str = "auto",
) -> str:
    """Fit a table, write it, and return its head.

    Args:
        device: where faces are attacked, repaired and judged; the table is fitted on the CPU.
    """
    torch.manual_seed(SEED)
    subject = load_subject(task, device)
    known, unknown = face_files(data, held_out=False), face_files(data, held_out=True)
    files = spread(known, faces + views)
    still, moving = files[:faces], files[faces:]

    def say(line: str) -> None:
        print(f"{task}: {line}", flush=True)

    single = attacked_faces(subject, still, seed=SEED, cache=cache)
    averaged = averaged_views(subject, moving, seed=SEED, cache=cache)
    say(f"{len(still)} faces and {len(moving)} moving views attacked")
    done = fit(task, subject.models.translator.record.sha256, single, averaged, say)
    checked = spread(unknown, held_out + views)
    lines = [
        *training_lines(done),
        *held_out_lines(
            attacked_faces(subject, checked[:held_out], seed=SEED + 1, cache=cache),
            averaged_views(subject, checked[held_out:], seed=SEED + 1, cache=cache),
            done,
            SEARCH_BUDGET,
        ),
    ]
    about = [
        f"Made by: magdr-video train recnet --task {task} --faces {faces} "
        f"--held-out {held_out} --views {views} "
        f"(seed {SEED}, {subject.device.type.upper()})",
        f"Training faces: {len(files)} synthetic ones, list sha256 {list_hash(files)}",
        f"S_final by the calibration table's statistics, sha256 {statistics_hash(subject)}",
        *lines,
    ]
    out.mkdir(parents=True, exist_ok=True)
    (out / f"recnet-{task}.toml").write_text(table_text(done.table, about), encoding="utf-8")
    return "\n".join(about)


def statistics_hash(subject: Subject) -> str:
    """SHA-256 of all that S_final depends on in the calibration table; verdicts leave it alone."""
    table = subject.detector.table
    parts = [str(table.transforms), str(table.criteria), f"{table.weight:g} {table.tau_final:g}"]
    for one in table.statistics:
        values = (
            one.distortion_mean,
            one.distortion_std,
            one.consistency_mean,
            one.consistency_std,
        )
        parts += [str(one.condition), *(str(held.tolist()) for held in values)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def main() -> None:
    """Command line of the pre-training."""
    parser = argparse.ArgumentParser(description="Pre-train Rec-Net for a task.")
    parser.add_argument("--task", required=True, choices=TASKS)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=preset_folder() / "tables")
    parser.add_argument("--faces", type=int, default=12, help="attacked training faces")
    parser.add_argument("--held-out", type=int, default=8, help="attacked held-out faces")
    parser.add_argument("--views", type=int, default=4, help="moving views of each split")
    parser.add_argument(
        "--cache", type=Path, default=None, help="keep attacked faces here between runs"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    print(
        pretrain(
            given.task,
            data=given.data,
            out=given.out,
            faces=given.faces,
            held_out=given.held_out,
            views=given.views,
            cache=given.cache,
            device=given.device,
        )
    )


if __name__ == "__main__":
    main()
