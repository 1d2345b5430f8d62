"""MobileNet-v1 (Howard et al., arXiv:1704.04861): the reference network at any size, the packed small one included.

Needs torch; imported only by what trains or exports a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Block:
    """One depthwise-separable block."""

    channels: int  # that leave it, before the width multiplier
    stride: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The shape of one MobileNet-v1."""

    in_channels: int
    size: int  # input height and width
    classes: int
    stem: Block
    blocks: Sequence[Block]
    width: float = 1.0  # the paper's multiplier alpha


IMAGENET = Recipe(
    in_channels=3,
    size=224,
    classes=1000,
    stem=Block(32, 2),
    blocks=[
        Block(64),
        Block(128, 2),
        Block(128),
        Block(256, 2),
        Block(256),
        Block(512, 2),
        *[Block(512)] * 5,
        Block(1024, 2),
        Block(1024),
    ],
)
"""The paper's body, table 1: 4.2 million parameters, 569 million multiply-adds."""

FASHION = Recipe(
    in_channels=1,
    size=28,
    classes=10,
    stem=Block(32),
    blocks=[Block(64, 2), Block(128), Block(128), Block(256, 2), Block(256), Block(256), Block(512)],
    width=0.5,
)
"""For 28×28 grey images: two halvings instead of five, 91 thousand parameters."""


class MobileNetV1(nn.Module):
    """Images to logits: (B, C, H, W) -> (B, classes)."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__()
        channels = _scaled(recipe.stem.channels, recipe.width)
        layers = [_unit(nn.Conv2d(recipe.in_channels, channels, 3, recipe.stem.stride, 1, bias=False))]
        for block in recipe.blocks:
            out = _scaled(block.channels, recipe.width)
            layers.append(_unit(nn.Conv2d(channels, channels, 3, block.stride, 1, groups=channels, bias=False)))
            layers.append(_unit(nn.Conv2d(channels, out, 1, bias=False)))
            channels = out
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(channels, recipe.classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(images).mean((2, 3)))
        return logits


def _scaled(channels: int, width: float) -> int:
    return max(8, round(channels * width))


def _unit(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU(inplace=True))
