"""StarGAN generator: edit a face by attribute labels.

Source: Choi et al., "StarGAN: Unified Generative Adversarial Networks for Multi-Domain
Image-to-Image Translation", CVPR 2018. Keys and shapes follow the public checkpoints, so that
they load strictly. With `attention=True` it is the attention-guided form (AttentionGAN, Tang et
al. 2019; heads as in GANimation), which keeps the input where it need not change.
"""

from __future__ import annotations

from torch import Tensor, nn

from magdr_video.models.trunk import blend_by_attention, spread_condition, trunk_layers


class StarGAN(nn.Module):
    """Images in [-1, 1] and labels in {0, 1} to images in [-1, 1].

    Args:
        width: channels after the first convolution (64 in the public weights).
        blocks: residual blocks (6 in the public weights).
        condition: length of the label (5 in the public weights).
        attention: build the attention-guided form (heads `im_reg`, `im_att`).
    """

    def __init__(
        self, *, width: int = 64, blocks: int = 6, condition: int = 5, attention: bool = False
    ) -> None:
        super().__init__()
        self.condition_size = condition
        self.feature_index = 8 + blocks
        layers = trunk_layers(3 + condition, width, blocks)
        head = nn.Conv2d(width, 3, 7, padding=3, bias=False)
        if not attention:
            layers += [head, nn.Tanh()]
        self.main = nn.Sequential(*layers)
        self.im_reg = nn.Sequential(head, nn.Tanh()) if attention else None
        self.im_att = (
            nn.Sequential(nn.Conv2d(width, 1, 7, padding=3, bias=False), nn.Sigmoid())
            if attention
            else None
        )

    def heads(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Attention (F, 1, S, S) in [0, 1] and colour (F, 3, S, S) in [-1, 1].

        Raises:
            TypeError: this is the plain form, which has one head only.
        """
        if self.im_att is None or self.im_reg is None:
            raise TypeError("a plain StarGAN has no attention head")
        features = self.main(spread_condition(images, condition))
        return self.im_att(features), self.im_reg(features)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Translate (F, 3, S, S) under labels (F, C)."""
        if self.im_att is None:
            out: Tensor = self.main(spread_condition(images, condition))
            return out
        attention, colour = self.heads(images, condition)
        return blend_by_attention(images, attention, colour)

    def features(self, images: Tensor, condition: Tensor) -> Tensor:
        """Output of the last residual block, (F, 4 width, S/4, S/4): Phi of METHOD 5.1."""
        out: Tensor = self.main[: self.feature_index + 1](spread_condition(images, condition))
        return out
