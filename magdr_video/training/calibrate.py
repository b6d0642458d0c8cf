"""Fit a task's calibration table: what is normal on clean faces, thresholds, the combined score.

    magdr-video train calibrate --task reenact --data ../shared/data

Thresholds see clean faces only (METHOD 5.5), those of other identities than the statistics; the
figures in the table's head are of identities and clips that neither has seen.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import torch

from magdr_video.detection.calibration import Calibration, load_calibration
from magdr_video.detection.measurement import Measurement, join
from magdr_video.faces.regions import REGIONS, TARGET
from magdr_video.loading import load_models
from magdr_video.models import zoo
from magdr_video.settings import TASKS, load_settings, preset_folder
from magdr_video.training.calibration_faces import CRITERIA, FITTED_CLIPS, TRANSFORMS, Subject
from magdr_video.training.calibration_fit import fit_scores, fit_statistics, fit_thresholds
from magdr_video.training.calibration_report import clean_rate, held_out_lines
from magdr_video.training.calibration_table import table_text
from magdr_video.training.calibrator import SEED, Calibrator, Plan
from magdr_video.training.clean_faces import CLEAN
from magdr_video.training.running import run_alone
from magdr_video.transforms import parse_chain
from magdr_video.transforms.purify import WEIGHTS as PURIFIER
from magdr_video.types import TransformChoice

DEFAULT_CHAIN = "guided(eps=0.003)"
"""Of a table that is the first of its task."""


def calibrate(
    task: str, plan: Plan, out: Path, preset: Path | None = None, device: str = "auto"
) -> str:
    """Fit a table, write it, and return its head, line by line.

    Args:
        preset: the user's own TOML file, which may name another generator.
        device: where faces are attacked and measured; the table is fitted on the CPU.
    """
    flags = {"run.device": device}
    overrides = ["detection.enabled=false"]
    settings = load_settings(task=task, preset=preset, overrides=overrides, flags=flags)
    held = Calibrator(Subject(settings, load_models(settings)), plan)
    clean, kinds = held.fitting_clean()
    attacked, broken_kinds = held.fitting_attacked()
    checked = held.checking_clean()
    table = fit_thresholds(_blank(held.subject, clean), checked)
    scores = fit_scores(table, join([clean, attacked]), torch.cat([kinds, broken_kinds]), checked)
    table = dataclasses.replace(table, scores=scores, recipe=_recipe_of(out / f"{task}.toml"))
    about = [
        f"Made by: magdr-video train calibrate --task {task} --faces {plan.faces} "
        f"--checked {plan.checked} --attacked {plan.attacked} --held-out {plan.held_out} "
        f"--frames {plan.frames} (seed {SEED}, {held.subject.device.type.upper()})",
        f"Statistics: {len(clean)} clean faces of {len(held.fitting)} photographs and "
        f"{len(held.clips(FITTED_CLIPS))} clips; scores: {len(attacked)} attacked ones besides",
        f"Thresholds: {len(checked)} clean faces of {len(set(held.checking))} other photographs, "
        f"{clean_rate(table, checked)}; no network was trained on any of them",
        f"Files: list sha256 {held.digest}",
        f"Kinds of clean input: {', '.join(CLEAN)}; strong noise sets no threshold",
    ]
    path = out / f"{task}.toml"
    out.mkdir(parents=True, exist_ok=True)
    # Figures take as long as the fit: a run that is cut short leaves a table without them.
    path.write_text(table_text(table, about), encoding="utf-8")
    about += held_out_lines(table, held.held_out(), checked)
    path.write_text(table_text(table, about), encoding="utf-8")
    return "\n".join(about)


def _blank(subject: Subject, clean: Measurement) -> Calibration:
    """A table with the statistics of the clean faces and thresholds that nothing reaches."""
    return Calibration(
        task=subject.task,
        model=subject.models.translator.record.sha256,
        purifier=zoo.find(PURIFIER).sha256,
        criteria=CRITERIA,
        regions=(TARGET, *REGIONS) if subject.models.by_attention else tuple(REGIONS),
        transforms=tuple(parse_chain(text) for text in TRANSFORMS),
        statistics=fit_statistics(clean),
        tau_region=float("inf"),
        least_flags=2,
        tau_cons=float("inf"),
        tau_mean=float("inf"),
        weight=1.0,
        tau_final=float("inf"),
        recipe=(),
        scores={},
    )


def _recipe_of(path: Path) -> tuple[TransformChoice, ...]:
    """The default chain that the table has so far: a calibration leaves it as it is."""
    held = path if path.is_file() else preset_folder() / "tables" / path.name
    return load_calibration(held).recipe if held.is_file() else parse_chain(DEFAULT_CHAIN)


def main() -> None:
    """Command line of the calibration."""
    parser = argparse.ArgumentParser(description="Fit a task's calibration table.")
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument("--preset", type=Path, help="your own, such as for another generator")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=preset_folder() / "tables")
    parser.add_argument("--cache", type=Path, help="keeps what was measured, for a rerun")
    parser.add_argument("--faces", type=int, default=64, help="photographs of the statistics")
    parser.add_argument("--checked", type=int, default=300, help="those of the thresholds")
    parser.add_argument("--attacked", type=int, default=32, help="fitting faces attacked")
    parser.add_argument("--held-out", type=int, default=24, help="faces of the figures")
    parser.add_argument("--frames", type=int, default=12, help="faces of each clip")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = vars(parser.parse_args())
    task, out, preset, device = (given.pop(name) for name in ("task", "out", "preset", "device"))
    print(calibrate(task, Plan(**given), out, preset, device))


if __name__ == "__main__":
    run_alone(main)
