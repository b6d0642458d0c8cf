"""CycleGAN resnet generator: replace a face by translation between two domains.

Source: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017, appendix 7.2. InstanceNorm has no parameters, so every convolution has a
bias. With `attention=True` it is the attention-guided form (AGGAN, Mejjati et al. 2018; heads as
in GANimation), which keeps the input where it need not change.
"""

from __future__ import annotations

from torch import Tensor, nn

from magdr_video.models.trunk import blend_by_attention


class ReflectBlock(nn.Module):
    """x + f(x) with reflection padding; keys `conv_block.{1,5}` (`.6` with dropout)."""

    def __init__(self, channels: int, *, dropout: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        layers += [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        ]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(F, C, h, w) to the same."""
        out: Tensor = x + self.conv_block(x)
        return out


def _scale_layers(width: int, blocks: int, *, dropout: bool) -> list[nn.Module]:
    """Layers `model.0` .. `model.{15 + blocks}`, up to the last norm and ReLU."""
    layers: list[nn.Module] = [
        nn.ReflectionPad2d(3),
        nn.Conv2d(3, width, 7),
        nn.InstanceNorm2d(width),
        nn.ReLU(inplace=True),
    ]
    for channels in (width, 2 * width):
        layers += [
            nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1),
            nn.InstanceNorm2d(2 * channels),
            nn.ReLU(inplace=True),
        ]
    layers += [ReflectBlock(4 * width, dropout=dropout) for _ in range(blocks)]
    for channels in (4 * width, 2 * width):
        layers += [
            nn.ConvTranspose2d(channels, channels // 2, 3, 2, padding=1, output_padding=1),
            nn.InstanceNorm2d(channels // 2),
            nn.ReLU(inplace=True),
        ]
    return layers


class CycleGAN(nn.Module):
    """Images in [-1, 1] to images in [-1, 1]; no condition.

    Args:
        width: channels after the first convolution (64 in the public weights).
        blocks: residual blocks (9 in the public weights; 6 exist).
        dropout: the variant with dropout in its blocks, which shifts their keys.
        attention: build the attention-guided form (heads `im_reg`, `im_att`).
    """

    condition_size = 0

    def __init__(
        self, *, width: int = 64, blocks: int = 9, dropout: bool = False, attention: bool = False
    ) -> None:
        super().__init__()
        self.feature_index = 9 + blocks
        layers = _scale_layers(width, blocks, dropout=dropout)
        head: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh()]
        if not attention:
            layers += head
        self.model = nn.Sequential(*layers)
        self.im_reg = nn.Sequential(*head) if attention else None
        self.im_att = (
            nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Sigmoid())
            if attention
            else None
        )

    def heads(self, images: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Attention (F, 1, S, S) in [0, 1] and colour (F, 3, S, S) in [-1, 1].

        Raises:
            TypeError: this is the plain form, which has one head only.
        """
        if self.im_att is None or self.im_reg is None:
            raise TypeError("a plain CycleGAN has no attention head")
        features = self.model(images)
        return self.im_att(features), self.im_reg(features)

    def forward(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Translate (F, 3, S, S); the condition is accepted and ignored (F, 0)."""
        if self.im_att is None:
            out: Tensor = self.model(images)
            return out
        attention, colour = self.heads(images)
        return blend_by_attention(images, attention, colour)

    def features(self, images: Tensor, condition: Tensor | None = None) -> Tensor:
        """Output of the last residual block, (F, 4 width, S/4, S/4): Phi of METHOD 5.1."""
        out: Tensor = self.model[: self.feature_index + 1](images)
        return out
