"""BiSeNet face parser: 19 classes a pixel.

Source: Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation",
ECCV 2018, with ResNet-18 (He et al., CVPR 2016) as context path. As in the public face-parsing
weights there is no spatial path: the ResNet's 1/8 feature takes its place. Keys and shapes follow
those weights, so that they load strictly; ImageNet weights are never fetched.

BatchNorm keeps its running statistics here, unlike the generators' InstanceNorm: call `eval()`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = (
    "background", "skin", "l_brow", "r_brow", "l_eye", "r_eye", "eyeglasses", "l_ear", "r_ear",
    "earring", "nose", "mouth", "u_lip", "l_lip", "neck", "necklace", "cloth", "hair", "hat",
)  # fmt: skip
"""The 19 classes in the order of every public checkpoint; `mouth` is its inside."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalise(images: Tensor) -> Tensor:
    """Images (F, 3, H, W) in [0, 1] to the parser's range: ImageNet's mean and deviation."""
    mean = images.new_tensor(IMAGENET_MEAN)[:, None, None]
    std = images.new_tensor(IMAGENET_STD)[:, None, None]
    return (images - mean) / std


class ConvNormReLU(nn.Module):
    """Convolution without bias, BatchNorm, ReLU; keys `conv`, `bn`."""

    def __init__(self, inputs: int, outputs: int, size: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(F, inputs, h, w) to (F, outputs, h, w)."""
        return F.relu(self.bn(self.conv(x)))


class BasicBlock(nn.Module):
    """ResNet's two-convolution block; `downsample` where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(F, inputs, h, w) to (F, outputs, h / stride, w / stride)."""
        kept = x if self.downsample is None else self.downsample(x)
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(kept + self.bn2(self.conv2(out)))


class ResNet18(nn.Module):
    """ResNet-18 without its classifier; features at 1/8, 1/16 and 1/32."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.layer1 = self._stage(width, width, 1)
        self.layer2 = self._stage(width, 2 * width, 2)
        self.layer3 = self._stage(2 * width, 4 * width, 2)
        self.layer4 = self._stage(4 * width, 8 * width, 2)

    @staticmethod
    def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
        return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(F, 3, H, W) to features of 2, 4 and 8 times the width, at 1/8, 1/16 and 1/32."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """A feature weighted by channel according to its own mean over the image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = ConvNormReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(F, inputs, h, w) to (F, outputs, h, w)."""
        x = self.conv(x)
        mean = x.mean(dim=(2, 3), keepdim=True)
        out: Tensor = x * torch.sigmoid(self.bn_atten(self.conv_atten(mean)))
        return out


class ContextPath(nn.Module):
    """ResNet features refined from coarse to fine."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.resnet = ResNet18(width)
        self.arm16 = AttentionRefinement(4 * width, 2 * width)
        self.arm32 = AttentionRefinement(8 * width, 2 * width)
        self.conv_head32 = ConvNormReLU(2 * width, 2 * width)
        self.conv_head16 = ConvNormReLU(2 * width, 2 * width)
        self.conv_avg = ConvNormReLU(8 * width, 2 * width, size=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The plain 1/8 feature, and the refined ones at 1/8 and 1/16."""
        eighth, sixteenth, last = self.resnet(x)
        whole = self.conv_avg(last.mean(dim=(2, 3), keepdim=True))
        coarse = self.arm32(last) + whole
        coarse = self.conv_head32(F.interpolate(coarse, size=sixteenth.shape[-2:]))
        fine = self.arm16(sixteenth) + coarse
        fine = self.conv_head16(F.interpolate(fine, size=eighth.shape[-2:]))
        return eighth, fine, coarse


class FeatureFusion(nn.Module):
    """Joins the 1/8 feature with the refined one: feature + feature * attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convblk = ConvNormReLU(4 * width, 4 * width, size=1)
        self.conv1 = nn.Conv2d(4 * width, width, 1, bias=False)
        self.conv2 = nn.Conv2d(width, 4 * width, 1, bias=False)

    def forward(self, plain: Tensor, refined: Tensor) -> Tensor:
        """Two of (F, 2 width, h, w) to (F, 4 width, h, w)."""
        x = self.convblk(torch.cat([plain, refined], dim=1))
        attention = F.relu(self.conv1(x.mean(dim=(2, 3), keepdim=True)))
        out: Tensor = x + x * torch.sigmoid(self.conv2(attention))
        return out


class ClassHead(nn.Module):
    """Logits of every class; keys `conv`, `conv_out`."""

    def __init__(self, inputs: int, middle: int, classes: int) -> None:
        super().__init__()
        self.conv = ConvNormReLU(inputs, middle)
        self.conv_out = nn.Conv2d(middle, classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(F, inputs, h, w) to logits (F, classes, h, w)."""
        out: Tensor = self.conv_out(self.conv(x))
        return out


class BiSeNet(nn.Module):
    """Normalised images to logits of 19 face classes.

    Args:
        width: channels after the first convolution (64 in the public weights); every other
            width is a fixed multiple of it.
        classes: number of classes, in the order of `CLASSES`.
    """

    def __init__(self, *, width: int = 64, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.cp = ContextPath(width)
        self.ffm = FeatureFusion(width)
        self.conv_out = ClassHead(4 * width, 4 * width, classes)
        self.conv_out16 = ClassHead(2 * width, width, classes)
        self.conv_out32 = ClassHead(2 * width, width, classes)

    def coarse_logits(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits before resizing: (F, classes, H/8, W/8) twice, then at 1/16."""
        eighth, fine, coarse = self.cp(images)
        return self.conv_out(self.ffm(eighth, fine)), self.conv_out16(fine), self.conv_out32(coarse)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Three maps (F, classes, H, W) of logits; use the first, the others serve training.

        Args:
            images: (F, 3, H, W), as `normalise` gives them; H and W multiples of 32.
        """
        size = images.shape[-2:]
        first, second, third = (
            F.interpolate(part, size=size, mode="bilinear", align_corners=True)
            for part in self.coarse_logits(images)
        )
        return first, second, third
