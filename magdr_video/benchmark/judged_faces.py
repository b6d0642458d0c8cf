"""Every set of faces that the detectors of Table 1 judge: clean, attacked, and after a codec."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from magdr_video.benchmark.encoded import CRF, after_codec, through_codec
from magdr_video.benchmark.scene import Scene, Seen
from magdr_video.training.clean_faces import CLEAN, film

HARD = ("noise", "sharpened", "jpeg 75", "h264 crf 23")
"""Kinds of `CLEAN` faces that look perturbed."""
CLEAN_NAME = "clean"

FILE, FRAME, PROTECTED = "a file", "a frame", "a frame, protected in it"
CARRIERS = (FILE, FRAME, PROTECTED)
"""What the codec encodes: the crop itself; a frame that shows the crop, attacked before as it was;
the same frame, where the attack knew of it."""


@dataclass(frozen=True)
class Judged:
    """A set of faces that is judged."""

    make: Callable[[], Seen]
    """Nothing is computed before it is called."""
    faces: int
    attack: str = ""
    """Address of the attack; empty for clean faces."""


def coded_name(name: str, carrier: str) -> str:
    """Name of clean ('clean') or attacked faces after the codec, on a carrier."""
    if carrier == FILE:
        # Clean files after this codec are among the hard negatives.
        return f"h264 crf {CRF}" if name == CLEAN_NAME else f"{name}, file, crf {CRF}"
    if carrier == PROTECTED and name != CLEAN_NAME:
        return after_codec(f"{name} in a frame", CRF)
    return after_codec(name, CRF)


def judged_faces(scene: Scene) -> dict[str, Judged]:
    """All sets by name."""
    few = scene.plan.count("side_faces")
    clean = scene.faces.crops[:few]

    def made(name: str, crops: Callable[[], Tensor], faces: int, attack: str = "") -> None:
        out[name] = Judged(lambda: scene.seen(crops(), name), faces, attack)

    def attacked(name: str) -> Tensor:
        return scene.attacked(name).crops[:few]

    out = {CLEAN_NAME: Judged(lambda: scene.clean, scene.plan.faces)}
    for kind in HARD:
        made(kind, lambda kind=kind: CLEAN[kind](clean), few)  # type: ignore[misc]
    made(coded_name(CLEAN_NAME, FRAME), lambda: through_codec(clean, CRF), few)
    for name in scene.plan.attacks:
        address, framed = scene.under(scene.threat(name)).address, scene.in_frame(name)
        out[name] = Judged(
            lambda name=name: scene.attacked(name),  # type: ignore[misc]
            scene.plan.faces,
            address,
        )
        made(
            coded_name(name, FILE),
            lambda name=name: film(attacked(name), CRF),  # type: ignore[misc]
            few,
            address,
        )
        made(
            coded_name(name, FRAME),
            lambda name=name: through_codec(attacked(name), CRF),  # type: ignore[misc]
            few,
            address,
        )
        made(
            coded_name(name, PROTECTED),
            lambda framed=framed: through_codec(  # type: ignore[misc]
                framed.images(scene.store), CRF
            ),
            few,
            framed.address,
        )
    return out
