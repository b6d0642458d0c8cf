"""The defence as an adaptive attacker knows it: paths, score and the real thing (METHOD 7).

Transforms that have no useful gradient keep their values and take the identity's gradient (BPDA);
the choice of a path is averaged over (EOT).
"""

from __future__ import annotations

from torch import Tensor

from magdr_video.attacks.defence import Defence, straight_through
from magdr_video.benchmark.repairs import default_recipe, magdr
from magdr_video.benchmark.scene import Seen
from magdr_video.benchmark.subject import Subject
from magdr_video.detection.detector import judge
from magdr_video.detection.measurement import measure
from magdr_video.transforms import differentiable_chain
from magdr_video.types import Masks


def known_defence(subject: Subject, crops: Tensor, condition: Tensor) -> Defence:
    """Everything that MagDR does to crops, for `attacks.adaptive`.

    The attacker parses the clean faces once: masks hardly move under a small perturbation.
    """
    return _bundle(subject, subject.masks(crops, condition), condition)


def _bundle(subject: Subject, masks: Masks, condition: Tensor) -> Defence:
    def seen(images: Tensor) -> Seen:
        held = Seen(subject, images.detach(), condition)
        held.__dict__["masks"] = masks
        return held

    def default(images: Tensor, _: int) -> Tensor:
        return straight_through(lambda held: default_recipe(seen(held)))(images)

    def defended(images: Tensor, asked: Tensor) -> Tensor:
        return subject.generate(magdr(seen(images)), asked)

    def select(faces: slice) -> Defence:
        part = Masks(masks.data[faces], masks.regions, masks.target)
        return _bundle(subject, part, condition[faces])

    return Defence(
        paths=(lambda images, _: images, default),
        score=lambda images, asked: decision(subject, images, masks, asked),
        defended=defended,
        select=select,
    )


def decision(subject: Subject, images: Tensor, masks: Masks, condition: Tensor) -> Tensor:
    """How far the deciding score lies above its threshold, (F,), with gradients."""
    table = subject.table
    held = measure(
        subject.translator.translate,
        images,
        masks,
        condition,
        transforms=table.transforms,
        criteria=table.criteria,
        change=differentiable_chain,
    )
    return judge(held, table, subject.settings.detection.decide).score
