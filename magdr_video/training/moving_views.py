"""Short moving views of faces, attacked frame by frame: what Rec-Net's averages are fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from magdr_video.reconstruction.temporal import average_along_motion
from magdr_video.training.attacked_faces import attack, rate_of_frames
from magdr_video.training.chain_trials import Trials, kept
from magdr_video.training.clean_faces import film, list_hash
from magdr_video.training.repair_faces import Subject
from magdr_video.transforms import purify_along_motion


class Base(NamedTuple):
    """What a clip's chain begins with."""

    window: int
    """Frames that are averaged; 1 averages none."""
    purified: bool = False
    """The motion purifier makes the frame of its average."""

    def __str__(self) -> str:
        frames = "frames alone" if self.window == 1 else f"average of {self.window} frames"
        return f"{frames}, motion purifier" if self.purified else frames


BASES = (Base(1), Base(9), Base(9, purified=True))
"""Averages of 3 and 5 frames were never clearly above those of 9 in the fits that tried them."""

CENTRES = 3
"""Frames in the middle of a view that are repaired: how strongly an attack hits differs by up to
10 dB between frames of a view, and one of them would be a draw of lots."""

FRAMES = max(base.window for base in BASES) + CENTRES - 1

DRIFT = (0.2, 0.1, 0.001)
"""Deviation from frame to frame of what alignment leaves: shift px, turn degrees, scale. The median
flow between such frames is 0.2 to 0.4 px; in aligned crops of clips it is 0.1 to 0.6 px."""


CRFS = (18, 23, 28)
"""H.264 rate factors that the views go through, in turn."""

LEFT = (1.0, 0.5)
"""Shares of what an attack leaves after the average that a chain is tried on. In clips of real
faces less arrives than in these views, and a chain that takes much away then costs more than it
repairs (`reenact`, nine lossless frames: 35.0 dB without a chain, 36.3 after the gated purifier,
33.9 after the ungated one that fitted whole perturbations best)."""

KINDS = tuple(
    f"{name}{'' if left == 1 else ' (half left)'}"
    for left in LEFT
    for name in ("lossless", "after H.264")
)
"""Parts of the trials, of equal size, in their order."""


def moving_views(file: Path, size: int, frames: int, seed: int) -> Tensor:
    """A face as a hand-held camera sees it, aligned but for what alignment leaves: (N, 3, S, S).

    Convention: pixel centres at integers; the face drifts by a random walk around its place.
    """
    rng = np.random.default_rng(seed)
    with Image.open(file) as held:
        picture = np.asarray(held.convert("RGB"))
    scale = size / picture.shape[0]
    # The reduction to the crop's size would alias without a blur of its own.
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.4 / scale, 0.3))
    middle = (picture.shape[1] / 2, picture.shape[0] / 2)
    walk = np.cumsum(rng.normal(size=(frames, 4)), axis=0)
    walk -= walk[frames // 2]
    shift, turn, zoom = DRIFT
    views = []
    for dx, dy, angle, grow in walk:
        affine = cv2.getRotationMatrix2D(middle, turn * angle, scale * (1 + zoom * grow))
        affine[:, 2] += np.array([size / 2 - middle[0] + dx * shift, size / 2 - middle[1]])
        affine[1, 2] += dy * shift
        views.append(cv2.warpAffine(soft, affine, (size, size), borderMode=cv2.BORDER_REFLECT_101))
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 255


def averaged_views(
    subject: Subject, files: Sequence[Path], *, seed: int, cache: Path | None
) -> dict[Base, Trials]:
    """Averages of moving views, each frame attacked on its own in the frame, by `BASES`.

    The trials hold every view as it is and encoded, each with all of `LEFT` (`KINDS`).
    """
    seeds = [seed + place for place in range(len(files))]
    views = [
        moving_views(file, subject.size, FRAMES, own)
        for file, own in zip(files, seeds, strict=True)
    ]
    condition = subject.conditions(len(files))
    translator = subject.models.translator
    key = f"{translator.record.sha256} {list_hash(files)} {seed} {DRIFT} {FRAMES} in frames"

    def broken() -> Tensor:
        rows = [row.expand(FRAMES, -1) for row in condition]
        return torch.cat(
            [
                attack(translator, *one, in_frame=True, together=FRAMES)
                for one in zip(views, rows, seeds, strict=True)
            ]
        )

    attacked = torch.split(kept(cache, "views", key, broken), FRAMES)
    filmed = [
        film(view, CRFS[place % len(CRFS)], rate=rate_of_frames(own), moving=True)
        for place, (view, own) in enumerate(zip(attacked, seeds, strict=True))
    ]
    clean = torch.cat([view[_centres()] for view in views])
    every = condition.repeat_interleave(CENTRES, dim=0)

    alone = [torch.cat([view[_centres()] for view in of]).to(clean) for of in (attacked, filmed)]

    def trials(base: Base) -> Trials:
        means = [
            torch.cat([averaged(view, base.window) for view in of]).to(clean)
            for of in (attacked, filmed)
        ]
        rows = []
        for share in LEFT:
            for mean, frame in zip(means, alone, strict=True):
                mean_left, frame_left = (clean + (part - clean) * share for part in (mean, frame))
                repaired = (
                    purify_along_motion(mean_left, frame_left) if base.purified else mean_left
                )
                rows.append(repaired)
        count = len(rows)
        return subject.trials(torch.cat(rows), every.repeat(count, 1), clean.repeat(count, 1, 1, 1))

    return {base: trials(base) for base in BASES}


def _centres() -> slice:
    first = (FRAMES - CENTRES) // 2
    return slice(first, first + CENTRES)


def averaged(view: Tensor, window: int) -> Tensor:
    """The middle frames of a view (FRAMES, 3, S, S), each with its neighbours: (CENTRES, ...)."""
    reach, out, held = window // 2, [], view.cpu()
    for centre in range(FRAMES)[_centres()]:
        near = held[centre - reach : centre + reach + 1]
        out.append(average_along_motion(list(near), reach))
    return torch.stack(out)
