"""Measures the motion purifier on clips of held-out faces, and writes a table.

    python -m magdr_video.training.motion_scores --data DATA --out RUNS [--weights FILE]

PSNR(O) is between the translation of the repaired frame and that of the clean one, dB. The clips
are drawn as those of the training (`motion_pool`), from faces and a seed that it does not know.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.criteria import psnr_db
from magdr_video.device import choose_device
from magdr_video.errors import UsageError
from magdr_video.models.motion_purifier import MotionPurifier
from magdr_video.models.trunk import to_model_range
from magdr_video.models.zoo import load_as
from magdr_video.training.attacked_faces import faces_at_once
from magdr_video.training.faces_data import OmiFaces, is_held_out
from magdr_video.training.motion_pool import ClipPiece, ClipPool
from magdr_video.training.motion_purifier import NAME, MotionPurifierRecipe
from magdr_video.training.running import make_folder, run_alone
from magdr_video.transforms import purify
from magdr_video.translation import Translator, load_translator, translate_in_pieces

FRAMES = (1, 4, 6, 8)
"""Frames of each clip that are repaired."""
VERSIONS = ("lossless", "after H.264", "one perturbation for all frames", "clean")

Repair = Callable[[Tensor, Tensor], Tensor]


def repairs(net: MotionPurifier) -> dict[str, Repair]:
    """What is compared, by its name in the table; of averages and frames in [0, 1]."""

    def moving(mean: Tensor, frame: Tensor) -> Tensor:
        with torch.no_grad():
            found: Tensor = net(to_model_range(mean), to_model_range(frame))
        return ((found + 1) / 2).clamp(0, 1)

    return {
        "none": lambda mean, frame: frame,
        "purifier 1.25 without the gate": lambda mean, frame: purify(frame, strength=1.25, gate=0),
        "average": lambda mean, frame: mean,
        "average, purifier 1": lambda mean, frame: purify(mean, strength=1),
        "motion purifier": moving,
    }


def versions_of(piece: ClipPiece, kind: str) -> dict[str, tuple[Tensor, Tensor]]:
    """Averages and frames (F, 3, S, S) uint8 of a clip, by version."""
    if kind == "shared":
        return {"one perturbation for all frames": (piece.attacked_mean, piece.attacked)}
    return {
        "lossless": (piece.attacked_mean, piece.attacked),
        "after H.264": (piece.attacked_filmed_mean, piece.attacked_filmed),
        "clean": (piece.clean_mean, piece.clean),
    }


def measure(
    translator: Translator, pool: ClipPool, numbers: list[int], net: MotionPurifier
) -> dict[str, dict[str, list[float]]]:
    """PSNR(O) of every frame in dB, by repair and version."""
    found: dict[str, dict[str, list[float]]] = {}
    for number in numbers:
        piece, chosen = pool.piece(number), list(FRAMES)
        clean = piece.clean[chosen].to(translator.device).float() / 255
        condition = piece.condition[chosen].to(translator.device)
        wanted = _translated(translator, clean, condition)
        for version, held in versions_of(piece, pool.kind(number)).items():
            mean, frame = (part[chosen].to(clean.device).float() / 255 for part in held)
            for name, repair in repairs(net).items():
                got = _translated(translator, repair(mean, frame), condition)
                kept = found.setdefault(name, {}).setdefault(version, [])
                kept.extend(psnr_db(got, wanted).tolist())
    return found


def _translated(translator: Translator, faces: Tensor, condition: Tensor) -> Tensor:
    most = faces_at_once(faces.device)
    return translate_in_pieces(translator.translate, faces, condition, most)


def lines(name: str, found: dict[str, dict[str, list[float]]]) -> list[str]:
    """The table of one generator; a version's number of frames stands in its head."""
    counts = {version: len(held) for version, held in found["none"].items()}
    heads = [f"{version} ({counts.get(version, 0)})" for version in VERSIONS]
    out = [f"{name}, frames of held-out clips", "", f"| repair | {' | '.join(heads)} |"]
    out.append("|---" * (len(heads) + 1) + "|")
    for repair, held in found.items():
        shown = [_mean(held.get(version, [])) for version in VERSIONS]
        out.append(f"| {repair} | {' | '.join(shown)} |")
    return [*out, ""]


def _mean(values: list[float]) -> str:
    return f"{sum(values) / len(values):.2f}" if values else ""


def main() -> None:
    """`python -m magdr_video.training.motion_scores --data DATA --out RUNS`."""
    recipe = MotionPurifierRecipe()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="keeps the attacked clips")
    parser.add_argument("--weights", default=NAME, help="name or file")
    parser.add_argument("--clips", type=int, default=8, help="of each generator")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    if given.clips < 1:
        raise UsageError(f"--clips {given.clips}", hint="1 or more of each generator")
    make_folder("--out", given.out)
    torch.set_num_threads(1)
    device, faces = choose_device(given.device), OmiFaces(given.data)
    net = load_as(MotionPurifier, given.weights, f"--weights {given.weights}", device)
    unknown = [name for name in faces.photos if is_held_out(name)]
    for name in dict.fromkeys(recipe.generators.split(",")):
        translator = load_translator(name, device)
        folder = given.out / f"clips-held-out-{name}"
        pool = ClipPool(folder, [translator], faces, unknown, recipe.size, recipe.seed + 1)
        found = measure(translator, pool, list(range(given.clips)), net)
        print("\n".join(lines(name, found)), flush=True)


if __name__ == "__main__":
    run_alone(main)
