"""GANimation generator: reenact a face by action units.

Source: Pumarola et al., "GANimation: Anatomically-aware Facial Animation from a Single Image",
ECCV 2018. Three public layouts exist, which differ in the names of their keys, in biases and in
the parameters of their norms; `LAYOUTS` tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from magdr_video.models.conditions import ACTION_UNITS as ACTION_UNITS
from magdr_video.models.trunk import blend_by_attention, spread_condition, trunk_layers


@dataclass(frozen=True)
class Layout:
    """How one public code base names the generator's parts."""

    trunk: str
    colour: str
    attention: str
    bias: bool
    affine: bool
    block: str


LAYOUTS = {
    "vipermu": Layout("main", "im_reg", "im_att", bias=False, affine=True, block="main"),
    "pumarola": Layout("main", "img_reg", "attetion_reg", bias=False, affine=True, block="main"),
    "donydchen": Layout(
        "model", "color_top", "au_top", bias=True, affine=False, block="conv_block"
    ),
}


def _as_bias_layout(layers: list[nn.Module]) -> list[nn.Module]:
    """donydchen's trunk: convolutions with bias, norms without parameters, `conv_block` keys."""
    out: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, nn.ConvTranspose2d):
            out.append(nn.ConvTranspose2d(layer.in_channels, layer.out_channels, 4, 2, 1))
        elif isinstance(layer, nn.Conv2d):
            size, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            assert isinstance(padding, int)
            out.append(nn.Conv2d(layer.in_channels, layer.out_channels, size, stride, padding))
        elif isinstance(layer, nn.InstanceNorm2d):
            out.append(nn.InstanceNorm2d(layer.num_features))
        elif isinstance(layer, nn.ReLU):
            out.append(layer)
        else:
            out.append(_BiasBlock(layer.main[0].in_channels))  # type: ignore[union-attr,index]
    return out


class _BiasBlock(nn.Module):
    """Residual block of the donydchen layout; keys `conv_block.{0,3}`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv_block(x)
        return out


class GANimation(nn.Module):
    """Images in [-1, 1] and action units in [0, 1] to images in [-1, 1].

    Args:
        width: channels after the first convolution (64 in the public weights).
        blocks: residual blocks (6 in the public weights).
        condition: number of action units (17 in the public weights).
        layout: a key of `LAYOUTS`; decides the names of the parameters only.
    """

    def __init__(
        self,
        *,
        width: int = 64,
        blocks: int = 6,
        condition: int = len(ACTION_UNITS),
        layout: str = "vipermu",
    ) -> None:
        super().__init__()
        self.condition_size = condition
        self.feature_index = 8 + blocks
        self.layout = LAYOUTS[layout]
        layers = trunk_layers(3 + condition, width, blocks)
        if self.layout.bias:
            layers = _as_bias_layout(layers)
        self.add_module(self.layout.trunk, nn.Sequential(*layers))
        colour = nn.Conv2d(width, 3, 7, padding=3, bias=False)
        attention = nn.Conv2d(width, 1, 7, padding=3, bias=False)
        self.add_module(self.layout.colour, nn.Sequential(colour, nn.Tanh()))
        self.add_module(self.layout.attention, nn.Sequential(attention, nn.Sigmoid()))

    def _trunk(self, images: Tensor, condition: Tensor, *, last: int | None = None) -> Tensor:
        """The trunk up to and including layer `last`; all of it without."""
        features = spread_condition(images, condition)
        trunk = self._part(self.layout.trunk)
        out: Tensor = (trunk if last is None else trunk[: last + 1])(features)
        return out

    def _part(self, name: str) -> nn.Sequential:
        part = self.get_submodule(name)
        assert isinstance(part, nn.Sequential)
        return part

    def heads(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Attention (F, 1, S, S) in [0, 1] and colour (F, 3, S, S) in [-1, 1]."""
        features = self._trunk(images, condition)
        attention: Tensor = self._part(self.layout.attention)(features)
        colour: Tensor = self._part(self.layout.colour)(features)
        return attention, colour

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Reenact (F, 3, S, S) with action units (F, C): eq. 1 of the paper."""
        attention, colour = self.heads(images, condition)
        return blend_by_attention(images, attention, colour)

    def features(self, images: Tensor, condition: Tensor) -> Tensor:
        """Output of the last residual block, (F, 4 width, S/4, S/4): Phi of METHOD 5.1."""
        return self._trunk(images, condition, last=self.feature_index)
