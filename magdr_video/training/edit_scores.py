"""Measures `stargan-synthetic` on held-out faces: what is read, what is kept, what breaks it."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from magdr_video.device import choose_device
from magdr_video.models.zoo import load
from magdr_video.training.attacked_faces import faces_at_once
from magdr_video.training.attribute_reader import AttributeReader, reader_accuracy, train_reader
from magdr_video.training.edit_pairs import load_views
from magdr_video.training.faces_data import HAIR, Array, OmiFaces, is_held_out, soft_mask
from magdr_video.training.paired import from_images, to_images
from magdr_video.training.recolour import HAIR_COLOURS, measure_hair, nearest_hair
from magdr_video.training.running import run_alone

LABELS: dict[str, tuple[float, ...]] = {
    "Black_Hair": (1, 0, 0, 0.5, 0.5),
    "Blond_Hair": (0, 1, 0, 0.5, 0.5),
    "Brown_Hair": (0, 0, 1, 0.5, 0.5),
    "male": (0, 0, 0, 1, 0.5),
    "female": (0, 0, 0, 0, 0.5),
    "young": (0, 0, 0, 0.5, 1),
    "old": (0, 0, 0, 0.5, 0),
}
"""Single requests; everything that is not named stays."""


def target_region(labels: Array, request: str, size: int) -> Array:
    """Where a request may change the image, bool (size, size), with a margin of 4 % of the side."""
    hair = request in HAIR_COLOURS
    classes = (HAIR, 2, 3) if hair else (1, 2, 3, 4, 5, 6, 10, 11, 12, 13)
    inside = (soft_mask(labels, classes, size) > 0.1).astype(np.uint8)
    reach = 2 * round(0.04 * size) + 1
    return np.asarray(cv2.dilate(inside, np.ones((reach, reach), np.uint8)) > 0)


def outside_psnr(source: Array, out: Array, region: Array) -> float:
    """PSNR in dB between uint8 images where `region` is False."""
    error = (source.astype(np.float64) - out)[~region]
    return float(10 * np.log10(255**2 / max(float((error**2).mean()), 1e-3)))


def pgd_disruption(
    net: torch.nn.Module, images: Tensor, condition: Tensor, *, steps: int = 10
) -> Tensor:
    """Output MSE of each image, (F,) in [-1, 1] units, under PGD: epsilon 0.05, step 0.01.

    The perturbation starts at random and is pushed away from the clean output (METHOD 7).
    """
    with torch.no_grad():
        clean = net(images, condition)
    noise = torch.empty(images.shape).uniform_(-0.05, 0.05)
    attacked = (images + noise.to(images)).clamp(-1, 1)
    for _ in range(steps):
        attacked = attacked.detach().requires_grad_()
        distance = ((net(attacked, condition) - clean) ** 2).mean()
        (slope,) = torch.autograd.grad(distance, attacked)
        moved = (attacked + 0.01 * slope.sign() - images).clamp(-0.05, 0.05)
        attacked = (images + moved).clamp(-1, 1)
    with torch.no_grad():
        out: Tensor = ((net(attacked, condition) - clean) ** 2).mean((1, 2, 3))
    return out


@torch.no_grad()
def _read_share(request: str, out: Array, masks: list[Array], reader: AttributeReader) -> float:
    """Share of outputs in which the request is read."""
    if request in HAIR_COLOURS:
        found = [measure_hair(image, mask) for image, mask in zip(out, masks, strict=True)]
        return float(np.mean([nearest_hair(f[0]) == request for f in found if f is not None]))
    male, young = reader(from_images(out).to(reader.device)).sigmoid().unbind(1)
    value = male if request in ("male", "female") else young
    asked = value > 0.5 if request in ("male", "young") else value < 0.5
    return float(asked.float().mean())


def evaluate(
    net: torch.nn.Module,
    reader: AttributeReader,
    faces: OmiFaces,
    *,
    size: int = 128,
    attacked: int = 24,
) -> dict[str, dict[str, float]]:
    """Scores of each request of `LABELS` over all held-out photos, on the reader's device.

    Returns:
        For each request: `read before` and `read`, the share of faces in which the asked is read
        before and after; `outside`, the mean PSNR (dB) outside the target region; `change`, the
        mean absolute change in 0..255; `pgd` and `broken`, the mean output MSE under PGD and the
        share of `attacked` faces above 0.05.
    """
    names = [name for name in faces.photos if is_held_out(name)]
    sources, device = np.stack([faces.image(name, size) for name in names]), reader.device
    labels = [faces.labels(name) for name in names]
    masks = [soft_mask(label, (HAIR,), size) for label in labels]
    scores = {}
    for request, label in LABELS.items():
        condition = torch.tensor(label, device=device).expand(len(names), -1)
        out = _translate(net, sources, condition)
        regions = [target_region(label, request, size) for label in labels]
        kept = [outside_psnr(*row) for row in zip(sources, out, regions, strict=True)]
        some = slice(0, None, max(1, len(names) // attacked))
        broken = pgd_disruption(net, from_images(sources[some]).to(device), condition[some])
        scores[request] = {
            "read before": _read_share(request, sources, masks, reader),
            "read": _read_share(request, out, masks, reader),
            "outside": float(np.mean(kept)),
            "change": float(np.abs(out.astype(np.float32) - sources).mean()),
            "pgd": broken.mean().item(),
            "broken": (broken > 0.05).float().mean().item(),
        }
    return scores


@torch.no_grad()
def _translate(net: torch.nn.Module, sources: Array, condition: Tensor) -> Array:
    count = 2 * faces_at_once(condition.device)
    parts = zip(
        torch.split(from_images(sources), count), torch.split(condition, count), strict=True
    )
    return np.concatenate([to_images(net(images.to(asked), asked)) for images, asked in parts])


def main() -> None:
    """`python -m magdr_video.training.edit_scores --data DATA --cache RUNS --weights FILE`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True, help="where the pairs were made")
    parser.add_argument("--weights", default="stargan-synthetic", help="name or file")
    parser.add_argument("--reader-steps", type=int, default=500)
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    device = choose_device(given.device)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    faces, net = OmiFaces(given.data), load(given.weights, device)
    train, held_out = (load_views(faces, given.cache, held_out=part) for part in (False, True))
    reader = train_reader(train, steps=given.reader_steps, device=device)
    male, young = reader_accuracy(reader, held_out)
    print(f"reader on held-out photos: gender {male:.3f}, age {young:.3f}", flush=True)
    for request, scores in evaluate(net, reader, faces).items():
        print(request, " ".join(f"{name} {value:.3f}" for name, value in scores.items()))


if __name__ == "__main__":
    run_alone(main)
