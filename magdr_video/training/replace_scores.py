"""What is measured of `cyclegan-synthetic` on faces that it never saw.

    python -m magdr_video.training.replace_scores --data DATA [--sheet CARD.jpg]

No face-embedding network is needed: the landmarks of a source are known and the translation keeps
them, so that every face can be warped into the persona's geometry and compared there.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magdr_video.attacks.pgd import pgd
from magdr_video.device import choose_device
from magdr_video.errors import WeightsError
from magdr_video.faces.detector import FaceDetector
from magdr_video.faces.templates import similarity, template
from magdr_video.models import zoo
from magdr_video.models.cyclegan import CycleGAN
from magdr_video.models.trunk import from_model_range, to_model_range
from magdr_video.training.attacked_faces import faces_at_once
from magdr_video.training.faces_data import Array, OmiFaces, is_held_out
from magdr_video.training.landmark_warp import warp
from magdr_video.training.paired import from_images, to_images
from magdr_video.training.persona import Persona, face_mask, load_persona, put_on, turn
from magdr_video.training.running import require_picture, run_alone
from magdr_video.training.start import require_direction

FivePoints = Callable[[Array], "Array | None"]
"""Five points (5, 2) in pixels of an RGB uint8 image; None where no face is found."""

DISRUPTED = 0.05
"""Output MSE, images in [-1, 1], above which a translation counts as disrupted (the paper's)."""


@dataclass(frozen=True)
class HeldOut:
    """N held-out faces, their supervised targets and what is known of them.

    Attributes:
        images: uint8 (N, S, S, 3).
        targets: the persona put on by landmarks, uint8 (N, S, S, 3).
        landmarks: (N, 478, 2) in [0, 1].
        masks: where the persona shows, float32 (N, S, S).
    """

    images: Array
    targets: Array
    landmarks: Array
    masks: Array


def load_held_out(faces: OmiFaces, *, size: int, count: int, most_turned: float) -> HeldOut:
    """Held-out photos, spread over the set, that are turned less than `most_turned`."""
    persona = load_persona(faces, size)
    names = [n for n in faces.photos if is_held_out(n) and turn(faces.landmarks(n)) < most_turned]
    names = [names[i] for i in np.linspace(0, len(names) - 1, min(count, len(names))).astype(int)]
    images = [faces.image(name, size) for name in names]
    points = [faces.landmarks(name)[:, :2] for name in names]
    labels = [faces.labels(name) for name in names]
    parts = list(zip(images, labels, points, strict=True))
    return HeldOut(
        np.stack(images),
        np.stack([put_on(image, label, at, persona) for image, label, at in parts]),
        np.stack(points),
        np.stack([face_mask(label, at, size) for _, label, at in parts]),
    )


def features_of(image: Array, landmarks: Array, persona: Persona) -> Array:
    """Features of a face in the persona's geometry: lightness without its low frequencies.

    Args:
        image: RGB uint8 (H, H, 3), of the persona's size.
        landmarks: (478, 2) in [0, 1].

    Returns:
        Float (n,), zero mean and unit length, over the persona's face.
    """
    size = image.shape[0]
    there = warp(image, landmarks, persona.landmarks).astype(np.float32) / 255
    light = cv2.cvtColor(there, cv2.COLOR_RGB2LAB)[..., 0]
    high = light - cv2.GaussianBlur(light, (0, 0), size * 0.09)
    inside = cv2.erode(persona.face[..., 0], np.ones((5, 5), np.uint8)) > 0
    values = np.asarray(high[inside] - high[inside].mean(), dtype=np.float64)
    return values / max(float(np.linalg.norm(values)), 1e-9)


def mean_pairwise(features: list[Array]) -> float:
    """Mean correlation over all pairs of faces: how alike they look."""
    return float(np.mean([float(a @ b) for a, b in combinations(features, 2)]))


def drift_of(before: Array, after: Array, find: FivePoints) -> tuple[float, float]:
    """Median distance of five points before and after, over the eyes' distance, and share found."""
    distances, found = [], 0
    for one, other in zip(before, after, strict=True):
        a, b = find(one), find(other)
        if a is None:
            continue
        found += 1
        if b is not None:
            eyes = float(np.linalg.norm(a[0] - a[1]))
            distances.append(float(np.linalg.norm(a - b, axis=1).mean()) / eyes)
    return float(np.median(distances)), len(distances) / max(found, 1)


def psnr(one: Array, other: Array, weight: Array) -> float:
    """Mean over images of the PSNR, dB, of uint8 (N, H, H, 3) under weights (N, H, H)."""
    error = ((one.astype(np.float64) - other) ** 2).mean(-1) / 255**2
    mse = (error * weight).sum((1, 2)) / weight.sum((1, 2))
    return float((-10 * np.log10(np.maximum(mse, 1e-10))).mean())


def device_of(net: CycleGAN) -> torch.device:
    """Where the network lies."""
    return next(net.parameters()).device


@torch.no_grad()
def translate(net: CycleGAN, images: Array) -> Array:
    """The net's answer to uint8 (N, H, H, 3), the same shape and type, a few at a time."""
    device = device_of(net)
    count = faces_at_once(device)
    parts = (images[i : i + count] for i in range(0, len(images), count))
    return np.concatenate([to_images(net(from_images(part).to(device))) for part in parts])


def disruption(net: CycleGAN, images: Array, masks: Array) -> dict[str, float]:
    """What PGD (epsilon 0.05, 10 steps of 0.01, random start) does to the output.

    Args:
        net: the generator.
        images: uint8 (N, S, S, 3).
        masks: where the persona shows, (N, S, S).

    Returns:
        Untargeted attack: mean MSE in [-1, 1] over the image and over the mask alone, share of
        images above `DISRUPTED` for both. Attack toward the source (paper, eq. 2): the share of
        the replacement's squared change that it takes back.
    """

    def generate(crops: Tensor, condition: Tensor) -> Tensor:
        return from_model_range(net(to_model_range(crops)))

    clean = (from_images(images).to(device_of(net)) + 1) / 2
    empty, weight = clean.new_zeros(len(clean), 0), torch.from_numpy(masks).to(clean)
    attacked = pgd(generate, clean, empty, epsilon=0.05, step_size=0.01, steps=10)
    stopped = pgd(generate, clean, empty, epsilon=0.05, step_size=0.01, steps=10, target=clean)
    with torch.no_grad():
        output = generate(clean, empty)
        error = 4 * (generate(attacked, empty) - output).square().mean(1)
        left = (generate(stopped, empty) - clean).square().sum()
        change = (output - clean).square().sum()
    whole = error.mean((1, 2))
    inside = (error * weight).sum((1, 2)) / weight.sum((1, 2))
    return {
        "disruption": whole.mean().item(),
        "disrupted": (whole > DISRUPTED).float().mean().item(),
        "disruption inside": inside.mean().item(),
        "disrupted inside": (inside > DISRUPTED).float().mean().item(),
        "taken back": 1 - (left / change).item(),
    }


def likeness(kinds: dict[str, Array], landmarks: Array, persona: Persona) -> dict[str, float]:
    """Correlation with the persona and among each other of each kind of N faces.

    Args:
        kinds: uint8 (N, S, S, 3) by name.
        landmarks: (N, 478, 2) in [0, 1], those of every kind.
    """
    own, scores = features_of(persona.image, persona.landmarks, persona), {}
    for kind, images in kinds.items():
        parts = zip(images, landmarks, strict=True)
        features = [features_of(image, at, persona) for image, at in parts]
        scores[f"{kind} like persona"] = float(np.mean([float(f @ own) for f in features]))
        scores[f"{kind} alike"] = mean_pairwise(features)
    return scores


def evaluate(
    net: CycleGAN, faces: OmiFaces, *, size: int = 128, count: int = 100, find: FivePoints
) -> dict[str, float]:
    """Measure AB on held-out faces.

    Args:
        net: the generator from any face to the persona, in float32.
        find: finds five points in an image, to see whether pose and expression follow.

    Returns:
        Correlations with the persona and among faces (of sources, outputs and targets), PSNR
        outside the mask and against the target, drift of the five points, disruption by PGD.
    """
    held = load_held_out(faces, size=size, count=count, most_turned=0.6)
    persona = load_persona(faces, size)
    outputs = translate(net, held.images)
    kinds = {"source": held.images, "output": outputs, "target": held.targets}
    scores = {"faces": float(len(outputs))} | likeness(kinds, held.landmarks, persona)
    scores["psnr outside"] = psnr(outputs, held.images, (held.masks == 0).astype(np.float64))
    scores["psnr target"] = psnr(outputs, held.targets, np.ones(held.masks.shape))
    drift, found = drift_of(held.images, outputs, find)
    scores["drift"], scores["found"] = drift, found
    return scores | disruption(net, held.images[::4], held.masks[::4])


def five_points(device: torch.device) -> FivePoints:
    """MTCNN's five points of the surest face, on an image enlarged threefold for it."""
    detector = FaceDetector(device=device)

    def find(image: Array) -> Array | None:
        large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
        found = detector.detect(large[None], 1 / 3)[0]
        return found.landmarks[int(found.scores.argmax())] if len(found) else None

    return find


def cut_face(image: Array, size: int) -> Array:
    """The surest face of an RGB uint8 picture in FFHQ-like alignment, uint8 (size, size, 3).

    Raises:
        ValueError: the picture shows no face.
    """
    found = FaceDetector().detect(image[None])[0]
    if len(found) == 0:
        raise ValueError(f"no face in a picture of {image.shape[1]} x {image.shape[0]}")
    points = found.landmarks[int(found.scores.argmax())][None]
    # Four times as large first: a face of 90 px needs no filter, one of 500 px does.
    affine = similarity(points, template("ffhq", size * 4))[0]
    affine[:, 2] += affine[:, :2].sum(1) * 0.5 - 0.5
    large = cv2.warpAffine(
        image, affine, (size * 4, size * 4), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA))


def contact_sheet(forth: CycleGAN, back: CycleGAN | None, faces: Array) -> Array:
    """Faces in the first row, below them with the persona, below that the way back."""
    rows = [faces, translate(forth, faces)]
    if back is not None:
        rows.append(translate(back, rows[-1]))
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


def _load(direction: str, device: torch.device, named: str = "") -> CycleGAN | None:
    name = named or f"cyclegan-synthetic-{direction}"
    if not named and name not in {record.name for record in zoo.list_models()}:
        return None
    asked = f"--weights {name}"
    record = zoo.find(name)
    net = zoo.load_as(CycleGAN, record, asked, device)
    require_direction(record, direction.upper(), asked)
    return net


def main() -> None:
    """Measure the shipped weights and draw their contact sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--weights", default="", help="name or file; the shipped ones without")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    device = choose_device(given.device)
    if given.sheet is not None:
        require_picture("--sheet", given.sheet)
    faces = OmiFaces(given.data)
    forth, back = _load("ab", device, given.weights), _load("ba", device)
    if forth is None:
        raise WeightsError(
            "there are no weights of cyclegan-synthetic-ab", hint="--weights names others"
        )
    for name, value in evaluate(forth, faces, find=five_points(device)).items():
        print(f"{name:24s} {value:.3f}")
    if given.sheet is not None:
        from skimage.data import astronaut

        shown = load_held_out(faces, size=128, count=9, most_turned=0.6).images
        shown = np.concatenate([shown, cut_face(astronaut(), 128)[None]])
        Image.fromarray(contact_sheet(forth, back, shown)).save(given.sheet, quality=90)


if __name__ == "__main__":
    run_alone(main)
