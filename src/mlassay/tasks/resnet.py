"""Residual backbones (He et al., arXiv:1512.03385; Xie et al., arXiv:1611.05431) with torchvision's parameter names.

Needs torch; imported only by the networks that stand on it.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions and a way past them: ResNet-34."""

    expansion = 1

    def __init__(self, inside: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inside, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(y)) + past)
        return out


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 and a way past them; the 3×3 halves the picture (v1.5)."""

    expansion = 4
    groups = 1
    widening = 1  # of the 3×3

    def __init__(self, inside: int, channels: int, stride: int) -> None:
        super().__init__()
        width, out = channels * self.widening, channels * 4
        self.conv1 = nn.Conv2d(inside, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, groups=self.groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inside, out, stride)

    def forward(self, x: Tensor) -> Tensor:
        past = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        out: Tensor = self.relu(self.bn3(self.conv3(y)) + past)
        return out


class GroupedBottleneck(Bottleneck):
    """ResNeXt-50 32x4d: 32 groups of 4 channels at the first stage."""

    groups = 32
    widening = 2


class ResNetBody(nn.Module):
    """Stem and `depths` stages; answers the output of every stage. `strides`: of each stage's first block."""

    def __init__(self, block: Any, depths: tuple[int, ...], strides: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inside = 64
        self.n_stages = len(depths)
        for stage, (depth, stride) in enumerate(zip(depths, strides, strict=True)):
            channels = 64 << stage
            blocks = []
            for number in range(depth):
                blocks.append(block(inside, channels, stride if number == 0 else 1))
                inside = channels * block.expansion
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        stages = []
        for stage in range(self.n_stages):
            x = self.get_submodule(f"layer{stage + 1}")(x)
            stages.append(x)
        return stages


def resnet34_until_conv4() -> ResNetBody:
    """SSD's: three stages, the third without its halving, so that its map stays at an eighth of the picture."""
    return ResNetBody(BasicBlock, (3, 4, 6), (1, 2, 1))


def resnet50() -> ResNetBody:
    return ResNetBody(Bottleneck, (3, 4, 6, 3), (1, 2, 2, 2))


def resnext50_32x4d() -> ResNetBody:
    return ResNetBody(GroupedBottleneck, (3, 4, 6, 3), (1, 2, 2, 2))


def _shortcut(inside: int, out: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inside == out:
        return None
    return nn.Sequential(nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))
