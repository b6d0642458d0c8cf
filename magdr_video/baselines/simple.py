"""Reconstructors of one line each: JPEG, blur, and noise as a control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from magdr_video.baselines.bases import ImageReconstructor
from magdr_video.baselines.protocol import Parameter
from magdr_video.transforms import jpeg


@dataclass
class Jpeg(ImageReconstructor):
    """A JPEG round trip (column 'Gintare' of table 2).

    By its authors' own account it helps at 1/255 and fails at 5 to 10/255.
    """

    quality: int = 75
    name = "jpeg"
    paper = "Dziugaite et al., arXiv 1608.00853, 2016"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Quality 75, as in the paper."""
        return {"quality": self.quality}

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Compress and decompress."""
        return jpeg(crops, quality=self.quality)


def blur(images: Tensor, sigma: float, size: int) -> Tensor:
    """Gaussian blur whose kernel ends at `size` pixels (odd), reflected borders.

    Ruiz et al. cut sigma 1.5 at 11 pixels: 3.3 deviations, one more than the bank's kernel of 3.
    """
    reach = size // 2
    offsets = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    row = (weights / weights.sum())[None, None, None].expand(images.shape[1], 1, 1, -1)
    padded = torch.nn.functional.pad(images, (reach,) * 4, mode="reflect")
    across = torch.nn.functional.conv2d(padded, row, groups=images.shape[1])
    return torch.nn.functional.conv2d(across, row.transpose(2, 3), groups=images.shape[1])


@dataclass
class BlurOnly(ImageReconstructor):
    """The blur of Ruiz et al. without their adversarial training, and named so."""

    sigma: float = 1.5
    size: int = 11
    name = "blur-only"
    paper = "Ruiz et al., ECCV workshops 2020 (the blur alone)"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Kernel of the paper."""
        return {"sigma": self.sigma, "size": self.size}

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Blur."""
        return blur(crops, self.sigma, self.size)


@dataclass
class Noise(ImageReconstructor):
    """Uniform noise within +-epsilon, what a column named 'Random Noise' promises.

    The paper's column of that name cites Xie et al. (`randomization`); its 32.9 dB on the input
    looks like noise, so both are measured. The same noise is added to every face, so that a face
    does not depend on its batch.
    """

    epsilon: float = 0.05
    """Bound in the units of [-1, 1], like every epsilon."""
    seed: int = 1234
    name = "noise"
    paper = "control (no paper)"

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Bound and seed."""
        return {"epsilon": self.epsilon, "seed": self.seed}

    def reconstruct(self, crops: Tensor) -> Tensor:
        """Add the noise and stay in [0, 1]."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.rand(crops.shape[1:], generator=generator).to(crops) * 2 - 1
        return (crops + noise * self.epsilon / 2).clamp(0, 1)
