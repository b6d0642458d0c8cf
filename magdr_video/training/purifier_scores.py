"""Measures the purifier on held-out faces, beside classical transforms, and writes a table.

    python -m magdr_video.training.purifier_scores --data DATA --out RUNS [--weights FILE]

PSNR(O) is between the translation of the repaired attacked face and that of the clean one, dB;
clean cost the same of clean faces. AUROC is that of the gate's odds, attacked against clean.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from magdr_video.criteria import psnr_db
from magdr_video.device import choose_device
from magdr_video.models.purifier import Purifier
from magdr_video.models.trunk import to_model_range
from magdr_video.models.zoo import load_as
from magdr_video.training.attacked_faces import attack, faces_at_once
from magdr_video.training.clean_faces import face_files, film, load_faces
from magdr_video.training.running import run_alone
from magdr_video.transforms import apply_chain, jpeg, parse_chain, unsharp
from magdr_video.translation import (
    Translator,
    condition_values,
    load_translator,
    translate_in_pieces,
)
from magdr_video.types import TransformChoice

TASKS = {
    "stargan-synthetic": ("Blond_Hair", ""),
    "cyclegan-synthetic-ab": ("", ""),
    "ganimation-synthetic": ("", "happy"),
}
"""Generators, and the attributes and the expression that are asked of them."""

SINGLES = (
    "guided(eps=0.003)", "guided(eps=0.01)", "nlm(strength=1)", "tv(weight=0.05)",
    "bilateral(colour=0.1, space=1.5)", "gaussian(sigma=0.7)", "gaussian(sigma=1)",
    "down_up(scale=0.5)", "jpeg(quality=75)", "jpeg(quality=50)", "wavelet_sym4(noise=0.023)",
)  # fmt: skip
CHAINS = (
    "nlm(strength=0.8) > jpeg(quality=75)", "guided(eps=0.003) > jpeg(quality=75)",
    "nlm(strength=1) > gaussian(sigma=0.7)", "guided(eps=0.003) > gaussian(sigma=0.7)",
)  # fmt: skip
STRENGTHS = (0.75, 1.0, 1.25, 1.5)
SEED = 0

Repair = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Attacked:
    """Held-out faces of one task, (F, 3, S, S) in [0, 1] each; filmed ones are after crf 23, framed
    ones were attacked in frames."""

    clean: Tensor
    attacked: Tensor
    clean_filmed: Tensor
    attacked_filmed: Tensor
    attacked_framed: Tensor


def attack_held_out(translator: Translator, condition: Tensor, clean: Tensor) -> Attacked:
    """The trainings' PGD on pictures and in frames, and what H.264 makes of the pictures."""
    plain = attack(translator, clean, condition, SEED)
    framed = attack(translator, clean, condition, SEED, in_frame=True)
    filmed = film(torch.cat([clean, plain]), 23)
    return Attacked(clean, plain, filmed[: len(clean)], filmed[len(clean) :], framed)


def translated(translator: Translator, faces: Tensor, condition: Tensor) -> Tensor:
    """Translations of a few faces at a time."""
    most = faces_at_once(faces.device)
    return translate_in_pieces(translator.translate, faces, condition, most)


def repairs(net: Purifier) -> dict[str, Repair]:
    """Everything that is compared, by its name in the table."""

    def purified(faces: Tensor, strength: float, gate: bool) -> Tensor:
        given = to_model_range(faces)
        with torch.no_grad():
            taken: Tensor = (net(given) if gate else net.parts(given)[0]) / 2
        return (faces - strength * taken).clamp(0, 1)

    def chain(text: str) -> Repair:
        return partial(_chained, chain=parse_chain(text))

    out: dict[str, Repair] = {"none": lambda faces: faces}
    out |= {text: chain(text) for text in (*SINGLES, *CHAINS)}
    out["purifier 1"] = partial(purified, strength=1.0, gate=True)
    for strength in STRENGTHS:
        out[f"purifier {strength:g} without the gate"] = partial(
            purified, strength=strength, gate=False
        )
    mild = chain("guided(eps=0.001)")
    out["purifier 1 > guided 0.001"] = lambda faces: mild(purified(faces, 1.0, True))
    return out


def _chained(faces: Tensor, chain: Sequence[TransformChoice]) -> Tensor:
    return apply_chain(faces, chain)


def score(
    translator: Translator, condition: Tensor, held: Attacked, ways: Mapping[str, Repair]
) -> dict[str, list[float]]:
    """Mean PSNR(O) of files, after crf 23, in frames, and the clean cost, by the way of repair."""
    reference = translated(translator, held.clean, condition)
    out = {}
    for name, way in ways.items():
        kinds = (held.attacked, held.attacked_filmed, held.attacked_framed, held.clean)
        out[name] = [
            float(psnr_db(translated(translator, way(faces), condition), reference).mean())
            for faces in kinds
        ]
    return out


def negatives(held: Attacked) -> dict[str, Tensor]:
    """Clean faces as they may look, by kind."""
    draw = torch.Generator().manual_seed(7)
    grain = torch.randn(held.clean.shape, generator=draw).to(held.clean)
    return {
        "photograph": held.clean,
        "noise 0.012": (held.clean + 0.012 * grain).clamp(0, 1),
        "sharpened 0.5": unsharp(held.clean, amount=0.5),
        "jpeg 75": jpeg(held.clean, quality=75),
        "h264 crf 23": held.clean_filmed,
    }


def auroc(high: Tensor, low: Tensor) -> float:
    """Probability that one of `high` is above one of `low`; ties count half."""
    apart = high[:, None] - low[None]
    return float(((apart > 0).double() + 0.5 * (apart == 0).double()).mean())


@torch.no_grad()
def odds(net: Purifier, faces: Tensor) -> Tensor:
    """The log odds of the gate, (F,)."""
    return net.parts(to_model_range(faces))[1]


def measure(name: str, net: Purifier, faces: Tensor, folder: Path) -> list[str]:
    """Lines of the table for one generator, measured where the faces are.

    Attacked faces are kept in the folder.
    """
    translator = load_translator(name, faces.device)
    attributes, expression = TASKS[name]
    asked = condition_values(translator.record, attributes=attributes, expression=expression)
    condition = translator.condition(asked, len(faces))
    path = folder / f"held-out-{translator.record.sha256[:12]}-{len(faces)}-framed.pt"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(vars(attack_held_out(translator, condition, faces)), path)
    held = Attacked(**torch.load(path, weights_only=True, map_location=faces.device))
    lines = [
        f"{name}, {len(faces)} held-out faces",
        "",
        *_repair_lines(translator, condition, held, net),
    ]
    kinds = (held.attacked, held.attacked_filmed, held.attacked_framed)
    found = [odds(net, faces) for faces in kinds]
    lines += ["", "| clean faces | AUROC of the gate: file | then crf 23 | in a frame |"]
    lines += ["|---|---|---|---|"]
    for kind, clean in negatives(held).items():
        low = odds(net, clean)
        lines.append(
            f"| {kind} | " + " | ".join(f"{auroc(high, low):.3f}" for high in found) + " |"
        )
    return [*lines, ""]


def _repair_lines(
    translator: Translator, condition: Tensor, held: Attacked, net: Purifier
) -> list[str]:
    lines = [
        "| repair | PSNR(O) of files | after crf 23 | in a frame | clean cost |",
        "|---|---|---|---|---|",
    ]
    for way, figures in score(translator, condition, held, repairs(net)).items():
        lines.append(f"| {way} | " + " | ".join(f"{figure:.2f}" for figure in figures) + " |")
    return lines


def main() -> None:
    """`python -m magdr_video.training.purifier_scores --data DATA --out RUNS`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="keeps the attacked faces")
    parser.add_argument("--weights", default="purifier", help="name or file")
    parser.add_argument("--faces", type=int, default=24)
    parser.add_argument("--generators", default=",".join(TASKS))
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    torch.set_num_threads(1)
    device = choose_device(given.device)
    net = load_as(Purifier, given.weights, f"--weights {given.weights}", device)
    faces = load_faces(face_files(given.data, held_out=True)[: given.faces], 128).to(device)
    for name in given.generators.split(","):
        print("\n".join(measure(name, net, faces, given.out)), flush=True)


if __name__ == "__main__":
    run_alone(main)
