"""The bank of transforms (Rec-Net's categories), batched on the device.

Every transform maps images (F, 3, S, S) in [0, 1] to the same shape and range, deterministically.
kornia, Pillow and torchvision do the work where they have it; what no library runs batched on a
device is our own, and tested against scikit-image.
"""

from magdr_video.transforms.bank import (
    BANK,
    LAYERS,
    Transform,
    apply_chain,
    apply_transform,
    identity,
    parse_chain,
)
from magdr_video.transforms.compress import bit_depth, jpeg
from magdr_video.transforms.denoise import bilateral, gaussian, guided, median
from magdr_video.transforms.noise import estimate_noise
from magdr_video.transforms.nonlocal_means import non_local_means
from magdr_video.transforms.resample import down_up, shift_average
from magdr_video.transforms.restore import unsharp
from magdr_video.transforms.variation import total_variation

__all__ = [
    "BANK",
    "LAYERS",
    "Transform",
    "apply_chain",
    "apply_transform",
    "bilateral",
    "bit_depth",
    "down_up",
    "estimate_noise",
    "gaussian",
    "guided",
    "identity",
    "jpeg",
    "median",
    "non_local_means",
    "parse_chain",
    "shift_average",
    "total_variation",
    "unsharp",
]
