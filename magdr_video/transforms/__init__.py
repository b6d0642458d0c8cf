"""The bank of transforms (Rec-Net's categories), batched on the device.

Every transform maps images (F, 3, S, S) in [0, 1] to the same shape and range, deterministically.
kornia, Pillow and torchvision do the work where they have it; what no library runs batched on a
device is our own, and tested against scikit-image.
"""

from magdr_video.transforms.bank import (
    BANK,
    LAYERS,
    Category,
    Transform,
    apply_chain,
    apply_transform,
    available_layers,
    differentiable_chain,
    identity,
    parse_chain,
)
from magdr_video.transforms.chroma import chroma_gaussian, chroma_guided
from magdr_video.transforms.compress import bit_depth, jpeg, jpeg_surrogate, low_rank, webp
from magdr_video.transforms.denoise import bilateral, gaussian, guided, median
from magdr_video.transforms.noise import estimate_noise
from magdr_video.transforms.nonlocal_means import non_local_means
from magdr_video.transforms.purify import evidence, purify, purify_along_motion
from magdr_video.transforms.resample import (
    down_up,
    down_up_lanczos,
    random_resize,
    shift_average,
)
from magdr_video.transforms.restore import unsharp, wiener
from magdr_video.transforms.variation import total_variation
from magdr_video.transforms.wavelet import wavelet_haar, wavelet_sym4

__all__ = [
    "BANK",
    "LAYERS",
    "Category",
    "Transform",
    "apply_chain",
    "apply_transform",
    "available_layers",
    "bilateral",
    "bit_depth",
    "chroma_gaussian",
    "chroma_guided",
    "differentiable_chain",
    "down_up",
    "down_up_lanczos",
    "estimate_noise",
    "evidence",
    "gaussian",
    "guided",
    "identity",
    "jpeg",
    "jpeg_surrogate",
    "low_rank",
    "median",
    "non_local_means",
    "parse_chain",
    "purify",
    "purify_along_motion",
    "random_resize",
    "shift_average",
    "total_variation",
    "unsharp",
    "wavelet_haar",
    "wavelet_sym4",
    "webp",
    "wiener",
]
