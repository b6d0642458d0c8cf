"""Pre-train Rec-Net for a task (Algorithm 1, lines 1 to 6) and write its table.

    magdr-video train recnet --task replace --data ../shared/data

Chains are fitted on attacked training faces by PSNR(O), the distance that Eq. 8 names and that
needs the clean face; S_final, which decides at inference, is measured beside it. No network was
trained on these faces, nor on the others that the figures in the table's head are of: the
purifiers repair what they know better than what they do not.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from magdr_video.detection.calibration import Calibration
from magdr_video.models import zoo
from magdr_video.settings import TASKS, preset_folder
from magdr_video.training.chain_trials import Trials
from magdr_video.training.clean_faces import list_hash, unseen_files
from magdr_video.training.moving_views import Base, averaged_views
from magdr_video.training.recnet_fit import fit
from magdr_video.training.recnet_report import held_out_lines, training_lines
from magdr_video.training.recnet_search import with_margin
from magdr_video.training.recnet_table import table_text
from magdr_video.training.repair_faces import attacked_faces, load_subject
from magdr_video.training.running import run_alone
from magdr_video.transforms.purify import WEIGHTS as PURIFIER

SEED = 1234
SEARCH_BUDGET = 60
"""Generator passes a face of the search that is measured."""


def spread(files: Sequence[Path], count: int) -> list[Path]:
    """`count` files evenly over the list."""
    step = max(len(files) // max(count, 1), 1)
    return list(files[::step][:count])


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
    fitted, judged = (unseen_files(data, judged=judged) for judged in (False, True))
    files, checked = spread(fitted, faces + views), spread(judged, held_out + views)

    def say(line: str) -> None:
        print(f"{task}: {line}", flush=True)

    def attacked(files: Sequence[Path], faces: int, seed: int) -> tuple[Trials, dict[Base, Trials]]:
        single = attacked_faces(subject, files[:faces], seed=seed, cache=cache)
        return single, averaged_views(subject, files[faces:], seed=seed, cache=cache)

    single, averaged = attacked(files, faces, SEED)
    say(f"{faces} faces and {views} moving views attacked")
    model = subject.models.translator.record.sha256
    done = fit(task, model, single, averaged, say)
    done = with_margin(done, single, SEARCH_BUDGET)
    say(f"margin {done.table.margin:g}")
    unseen = attacked(checked, held_out, SEED + 1)
    statistics = subject.detector.table
    about = [
        f"Made by: magdr-video train recnet --task {task} --faces {faces} "
        f"--held-out {held_out} --views {views} "
        f"(seed {SEED}, {subject.device.type.upper()})",
        f"Training faces: {len(files)} synthetic ones, list sha256 {list_hash(files)}",
        f"S_final by the calibration table's statistics, sha256 {statistics_hash(statistics)}",
        *training_lines(done),
        *held_out_lines(*unseen, done, SEARCH_BUDGET),
    ]
    table = replace(done.table, purifier=zoo.find(PURIFIER).sha256)
    out.mkdir(parents=True, exist_ok=True)
    (out / f"recnet-{task}.toml").write_text(table_text(table, about), encoding="utf-8")
    return "\n".join(about)


def statistics_hash(table: Calibration) -> str:
    """SHA-256 of all that S_final depends on in the calibration table; verdicts leave it alone."""
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
    parser.add_argument("--views", type=int, default=12, help="moving views of each split")
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
    run_alone(main)
