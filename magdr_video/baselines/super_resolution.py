"""Denoise and enlarge (Mustafa et al., TIP 2019; column 'Mustafa' of table 2).

Wavelets denoise, a network doubles the size, area reduction brings it back for the generator. In
the published code a JPEG file lies between the two steps; it is a defence of its own, so there is
a row with it and one without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from magdr_video.baselines.autoencoders import patches
from magdr_video.baselines.bases import ImageReconstructor, Learner, shortened
from magdr_video.baselines.protocol import Material, Parameter, State
from magdr_video.baselines.ycbcr_wavelet import wavelet_ycbcr
from magdr_video.models.super_resolution import untrained
from magdr_video.transforms import jpeg
from magdr_video.transforms.super_resolution import load_upscaler, reduce_by_area

JPEG_QUALITY = 75
"""Of the intermediate file: the default of the library that wrote it."""


@dataclass(frozen=True)
class EnlargingRecipe:
    """The network and its training."""

    width: int = 24
    blocks: int = 4
    steps: int = 1500
    batch: int = 16
    patch: int = 32
    """Side of the small patch."""
    rate: float = 1e-3
    seed: int = 1234


def fit_enlarging(net: nn.Module, faces: Tensor, recipe: EnlargingRecipe) -> None:
    """Teach `net` in place to undo an area reduction by 2: Adam on the absolute error, as EDSR.

    Args:
        faces: (E, 3, T, T) in [0, 1] with real detail at T; T at least twice the patch.
    """
    draw = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    side = min(2 * recipe.patch, faces.shape[-1])
    net.train()
    for _ in range(recipe.steps):
        large = patches(faces, recipe.batch, side, draw)
        small = F.avg_pool2d(large, 2)
        loss = (net(small) - large).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()


@dataclass
class SuperResolutionDefence(ImageReconstructor, Learner):
    """Wavelets, perhaps a JPEG file, enlargement, area reduction."""

    sigma: float = 0.01
    through_jpeg: bool = False
    recipe: EnlargingRecipe = EnlargingRecipe()
    weights: Path | None = None
    """A user's network in the place of our own small one, read by spandrel."""
    name = "super-resolution"
    paper = "Mustafa et al., TIP 2019"
    _net: Any = None

    @property
    def weights_name(self) -> str:
        """The same network serves both rows."""
        return "super-resolution"

    @property
    def learned(self) -> Mapping[str, Parameter]:
        """Of the network alone."""
        if self.weights is not None:
            return {"network": self.weights.name}
        return {
            "network": "EDSR-like",
            "width": self.recipe.width,
            "blocks": self.recipe.blocks,
            "steps": self.recipe.steps,
            "batch": self.recipe.batch,
            "patch": self.recipe.patch,
            "rate": self.recipe.rate,
            "seed": self.recipe.seed,
        }

    @property
    def of_generator(self) -> bool:
        """It knows clean faces only."""
        return False

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Of the filter and the network."""
        between = f"JPEG {JPEG_QUALITY}" if self.through_jpeg else "none"
        own: dict[str, Parameter] = {"sigma": self.sigma, "between": between, "scale": 2}
        return own | dict(self.learned)

    def shorten(self, share: float) -> None:
        """Fewer steps."""
        self.recipe = replace(self.recipe, steps=shortened(self.recipe.steps, share))

    def fit(self, material: Material) -> None:
        """Train our own network on faces; a user's is only read."""
        if self.weights is not None:
            self._net = load_upscaler(self.weights, material.faces.device)
            return
        net = untrained(self.recipe.width, self.recipe.blocks, self.recipe.seed)
        self._net = net.to(material.faces.device)
        fit_enlarging(self._net, material.faces, self.recipe)

    @torch.no_grad()
    def reconstruct(self, crops: Tensor) -> Tensor:
        """Denoised crops, enlarged and reduced again.

        Raises:
            RuntimeError: there is no network yet.
        """
        if self._net is None:
            raise RuntimeError(f"{self.name} has not been trained")
        if isinstance(self._net, nn.Module):
            self._net.to(crops.device)
        denoised = wavelet_ycbcr(crops, sigma=self.sigma)
        if self.through_jpeg:
            denoised = jpeg(denoised, quality=JPEG_QUALITY)
        return reduce_by_area(denoised, self._net)

    def state(self) -> State:
        """Weights of our own network; of a user's there is nothing to keep."""
        if self._net is None or self.weights is not None:
            return {}
        return dict(self._net.state_dict())

    def restore(self, state: State) -> None:
        """Take back the weights."""
        if self.weights is not None:
            self._net = load_upscaler(self.weights)
            return
        self._net = untrained(self.recipe.width, self.recipe.blocks, self.recipe.seed)
        self._net.load_state_dict(state)
        self._net.eval()


@dataclass
class SuperResolutionThroughJpeg(SuperResolutionDefence):
    """With the JPEG file of the published code between filter and network."""

    through_jpeg: bool = True
    name = "super-resolution-jpeg"
