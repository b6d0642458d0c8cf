"""How well a parser finds the classes: Dice per class, and coloured labels to look at."""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from magdr_video.device import choose_device
from magdr_video.models.bisenet import BiSeNet, normalise
from magdr_video.models.zoo import find, load_as
from magdr_video.training.attacked_faces import faces_at_once
from magdr_video.training.faces_data import Array, OmiFaces, is_held_out
from magdr_video.training.parser_faces import MERGED, load_parsed
from magdr_video.training.running import require_picture, run_alone

SCORED = {
    "skin": (1,), "brows": (2, 3), "eyes": (4, 5), "eyeglasses": (6,), "ears": (7, 8),
    "earring": (9,), "nose": (10,), "mouth (inner)": (11,), "upper lip": (12,),
    "lower lip": (13,), "neck": (14,), "necklace": (15,), "cloth": (16,), "hair": (17,),
    "hat": (18,),
}  # fmt: skip
"""The 15 foreground classes that remain once left and right are one."""
MOUTH_REGION = (11, 12, 13)

COLOURS = np.array(
    [(0, 0, 0), (235, 190, 160), (120, 70, 20), (120, 70, 20), (40, 90, 230), (40, 90, 230),
     (0, 200, 200), (230, 120, 90), (230, 120, 90), (255, 230, 0), (250, 150, 60), (120, 0, 40),
     (220, 30, 60), (255, 90, 130), (190, 140, 110), (255, 255, 120), (70, 130, 90),
     (150, 60, 160), (20, 160, 60)], dtype=np.uint8
)  # fmt: skip
"""A colour for each class."""


@torch.no_grad()
def parse_images(net: BiSeNet, images: Array, size: int, *, through: int | None = None) -> Array:
    """Classes (N, H, H) uint8 of images (N, H, H, 3) uint8.

    Args:
        net: the parser, in `eval()`.
        size: side of the parser's input.
        through: side to which the images are reduced first, as the pipeline's crops are.
    """
    found, device = [], next(net.parameters()).device
    for some in np.array_split(images, max(1, len(images) // faces_at_once(device))):
        held = torch.from_numpy(np.ascontiguousarray(some)).to(device)
        batch = held.permute(0, 3, 1, 2).float() / 255
        if through is not None:
            batch = F.interpolate(batch, size=(through, through), mode="area")
        batch = F.interpolate(batch, size=(size, size), mode="bilinear")
        logits = net(normalise(batch.to(next(net.parameters()).device)))[0]
        logits = F.interpolate(logits, size=images.shape[1:3], mode="bilinear")
        found.append(logits.argmax(dim=1).byte().cpu().numpy())
    return np.concatenate(found)


def measure_dice(found: Array, labels: Array) -> dict[str, float]:
    """Dice of each class over all pixels of all faces; NaN where neither has the class.

    Args:
        found, labels: (N, H, H) classes in BiSeNet's order.

    Returns:
        A value for each of `SCORED`, 'mouth region', and 'mean' over `SCORED`.
    """

    def dice(classes: tuple[int, ...]) -> float:
        one, other = np.isin(found, classes), np.isin(labels, classes)
        total = int(one.sum()) + int(other.sum())
        return 2 * int((one & other).sum()) / total if total else float("nan")

    scores = {name: dice(classes) for name, classes in SCORED.items()}
    mean = float(np.nanmean(list(scores.values())))
    return scores | {"mouth region": dice(MOUTH_REGION), "mean": mean}


def dice_table(scores: dict[str, float]) -> str:
    """The scores on one line."""
    return "  ".join(f"{name} {value:.3f}" for name, value in scores.items())


def draw_labels(labels: Array) -> Array:
    """Labels (..., H, W) as coloured images (..., H, W, 3) uint8."""
    out: Array = COLOURS[labels]
    return out


def evaluate(net: BiSeNet, *, data: Path, size: int) -> dict[str, dict[str, float]]:
    """Dice on faces that no training saw, from whole images and through 128-px crops.

    The hand-made masks (every tenth CelebAMask-HQ photo) are the truth; agreement with the
    teacher on synthetic faces is told apart.
    """
    held = load_parsed(data, held_out=True)
    photos = len(list((data / "parsing" / "images").glob("*.jpg")))
    by_hand = slice(0, len(range(0, photos, 10)))
    by_teacher = slice(by_hand.stop, len(held.images))
    rows = {}
    for title, part, through in (
        ("masks, 256 px", by_hand, None),
        ("masks, 128 px", by_hand, 128),
        ("teacher, 256 px", by_teacher, None),
    ):
        found = parse_images(net, held.images[part], size, through=through)
        rows[title] = measure_dice(MERGED[found], held.labels[part])
    return rows


ASTRONAUT = (142, 52, 160)
"""Left, top and side in pixels of the face in scikit-image's public-domain portrait."""


def contact_sheet(net: BiSeNet, *, data: Path, size: int, side: int = 192) -> Array:
    """Held-out synthetic faces and one public-domain portrait, and below each its classes.

    Returns:
        RGB uint8 (4 side, 6 side, 3).
    """
    from skimage.data import astronaut

    faces = OmiFaces(data)
    names = [name for name in faces.photos if is_held_out(name)]
    chosen = [names[i] for i in np.linspace(0, len(names) - 1, 11).astype(int)]
    left, top, width = ASTRONAUT
    portrait = astronaut()[top : top + width, left : left + width]
    images = [faces.image(name, side) for name in chosen]
    images.append(cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA))
    shown = draw_labels(parse_images(net, np.stack(images), size))
    over = [cv2.addWeighted(a, 0.35, b, 0.65, 0) for a, b in zip(images, shown, strict=True)]
    rows = [images[:6], over[:6], images[6:], over[6:]]
    return np.concatenate([np.concatenate(row, 1) for row in rows], 0)


def main() -> None:
    """Print the tables: `python -m magdr_video.training.parser_scores --data DATA`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", default="bisenet-compact")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet here, as JPEG")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    given = parser.parse_args()
    record = find(given.weights)
    asked = f"--weights {given.weights}"
    net = load_as(BiSeNet, record, asked, choose_device(given.device))
    if given.sheet is not None:
        require_picture("--sheet", given.sheet)
    for title, scores in evaluate(net, data=given.data, size=record.size).items():
        print(f"{title}: {dice_table(scores)}")
    if given.sheet is not None:
        sheet = contact_sheet(net, data=given.data, size=record.size)
        Image.fromarray(sheet).save(given.sheet, quality=88)


if __name__ == "__main__":
    run_alone(main)
