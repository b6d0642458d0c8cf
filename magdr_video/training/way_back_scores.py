"""What is measured of `cyclegan-synthetic-ba`, the way back from the persona, on held-out faces.

    python -m magdr_video.training.way_back_scores --data DATA

Its input is the supervised persona face (the persona put on by landmarks), its target the face that
was there before. That face cannot be read from the persona: a likely one is all that can be asked.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from magdr_video.device import choose_device
from magdr_video.models import zoo
from magdr_video.models.cyclegan import CycleGAN
from magdr_video.training.faces_data import OmiFaces
from magdr_video.training.persona import load_persona
from magdr_video.training.replace_scores import (
    FivePoints,
    disruption,
    drift_of,
    five_points,
    likeness,
    load_held_out,
    psnr,
    translate,
)
from magdr_video.training.running import run_alone
from magdr_video.training.start import require_direction


def evaluate_back(
    net: CycleGAN, faces: OmiFaces, *, size: int = 128, count: int = 100, find: FivePoints
) -> dict[str, float]:
    """Measure BA on held-out faces.

    Args:
        net: the generator from the persona to a face, in float32.
        find: finds five points in an image.

    Returns:
        Correlations with the persona and among faces of persona faces, outputs and sources; PSNR
        of persona faces and outputs against the sources inside the mask, of outputs against the
        persona faces outside it; drift of the five points; disruption by PGD.
    """
    held = load_held_out(faces, size=size, count=count, most_turned=0.6)
    persona = load_persona(faces, size)
    outputs = translate(net, held.targets)
    kinds = {"persona face": held.targets, "output": outputs, "source": held.images}
    scores = {"faces": float(len(outputs))} | likeness(kinds, held.landmarks, persona)
    inside = (held.masks > 0.5).astype(np.float64)
    outside = (held.masks == 0).astype(np.float64)
    scores["psnr inside, persona face"] = psnr(held.targets, held.images, inside)
    scores["psnr inside, output"] = psnr(outputs, held.images, inside)
    scores["psnr outside"] = psnr(outputs, held.targets, outside)
    scores["drift"], scores["found"] = drift_of(held.targets, outputs, find)
    return scores | disruption(net, held.targets[::4], held.masks[::4])


def main() -> None:
    """Measure the shipped weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="cyclegan-synthetic-ba", help="name or file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    device = choose_device(given.device)
    faces, asked = OmiFaces(given.data), f"--weights {given.weights}"
    record = zoo.find(given.weights)
    net = zoo.load_as(CycleGAN, record, asked, device)
    require_direction(record, "BA", asked)
    for name, value in evaluate_back(net, faces, find=five_points(device)).items():
        print(f"{name:28s} {value:.3f}")


if __name__ == "__main__":
    run_alone(main)
