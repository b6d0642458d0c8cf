"""Faces as a viewer of an encoded clip has them: H.264 through a frame."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from magdr_video.training.clean_faces import USUAL_RATE, film

CRF = 23
"""Rate factor of Table 1: the encoder's own default."""


def through_codec(faces: Tensor, crf: int, rate: float = USUAL_RATE) -> Tensor:
    """Faces (F, 3, S, S) drawn into frames, encoded as H.264 4:2:0 at `crf`, cut out again.

    Args:
        crf: constant rate factor, 0 to 51.
        rate: frame pixels for one of the crop; a face of 180 px at the usual one.
    """
    size = faces.shape[-1]
    side = round(size * rate)
    edge = side % 2 + 2
    frame = F.pad(_resized(faces, side), (0, edge, 0, edge), mode="replicate").clamp(0, 1)
    return _resized(film(frame, crf)[..., :side, :side], size).clamp(0, 1)


def _resized(faces: Tensor, side: int) -> Tensor:
    return F.interpolate(faces, (side, side), mode="bilinear", antialias=True)


def after_codec(kind: str, crf: int) -> str:
    """Name of an input that went through the codec: 'pgd, h264 crf 23'."""
    return f"{kind}{SIGN}{crf}"


def before_codec(kind: str) -> tuple[str, int | None]:
    """Name of an input before the codec, and its rate factor; None where there was no codec."""
    name, _, crf = kind.partition(SIGN)
    return name, int(crf) if crf else None


SIGN = ", h264 crf "
