"""EfficientNet-Lite0 (Tan and Le, arXiv:1905.11946; the Lite variant drops squeeze-and-excite and uses ReLU6).

Needs torch; imported only by what exports the model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from torch import Tensor, nn

SIZE = 224
CLASSES = 1000
PARAMETERS = 4_652_008


@dataclass(frozen=True, slots=True)
class Stage:
    """Equal blocks in a row; only the first one strides."""

    repeats: int
    kernel: int
    stride: int
    widen: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class Unit(nn.Module):
    """Padding as TensorFlow does it, convolution, normalisation, and ReLU6 unless the unit is linear."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, size: int, **how: int | bool) -> None:
        super().__init__()
        linear, groups = bool(how.get("linear", False)), int(how.get("groups", 1))
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)  # odd padding: the extra pixel after
        self.pad = nn.ZeroPad2d((total // 2, total - total // 2) * 2)
        self.conv = nn.Conv2d(before, after, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(after, eps=1e-3)
        self.act = nn.Identity() if linear else nn.ReLU6(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.act(self.norm(self.conv(self.pad(x))))
        return y


class Block(nn.Module):
    """Widen, filter each channel, narrow again; added to its input where the shapes allow."""

    def __init__(self, before: int, stage: Stage, stride: int, size: int) -> None:
        super().__init__()
        wide = before * stage.widen
        self.expand = Unit(before, wide, 1, 1, size) if stage.widen > 1 else nn.Identity()
        self.depthwise = Unit(wide, wide, stage.kernel, stride, size, groups=wide)
        self.project = Unit(wide, stage.channels, 1, 1, -(-size // stride), linear=True)
        self.adds = stride == 1 and before == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Photos to logits: (B, 3, 224, 224) -> (B, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Unit(3, 32, 3, 2, SIZE)
        channels, size = 32, SIZE // 2
        blocks = []
        for stage in STAGES:
            for repeat in range(stage.repeats):
                stride = stage.stride if repeat == 0 else 1
                blocks.append(Block(channels, stage, stride, size))
                channels, size = stage.channels, -(-size // stride)
        self.blocks = nn.ModuleList(blocks)
        self.head = Unit(channels, 1280, 1, 1, size)
        self.classifier = nn.Linear(1280, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.classifier(self.head(x).mean((2, 3)))
        return logits


_KEYS = (
    (r"^stem\.conv\.", "_conv_stem."),
    (r"^stem\.norm\.", "_bn0."),
    (r"^blocks\.(\d+)\.expand\.conv\.", r"_blocks.\1._expand_conv."),
    (r"^blocks\.(\d+)\.expand\.norm\.", r"_blocks.\1._bn0."),
    (r"^blocks\.(\d+)\.depthwise\.conv\.", r"_blocks.\1._depthwise_conv."),
    (r"^blocks\.(\d+)\.depthwise\.norm\.", r"_blocks.\1._bn1."),
    (r"^blocks\.(\d+)\.project\.conv\.", r"_blocks.\1._project_conv."),
    (r"^blocks\.(\d+)\.project\.norm\.", r"_blocks.\1._bn2."),
    (r"^head\.conv\.", "_conv_head."),
    (r"^head\.norm\.", "_bn1."),
    (r"^classifier\.", "_fc."),
)


def published_key(ours: str) -> str:
    """The name that the published checkpoint gives to one of our tensors."""
    for pattern, theirs in _KEYS:
        name, n = re.subn(pattern, theirs, ours)
        if n:
            return name
    raise KeyError(ours)
