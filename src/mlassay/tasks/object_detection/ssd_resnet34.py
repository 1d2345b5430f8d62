"""SSD-ResNet34 at 1200×1200, the rule book's heavy detector of v0.5 to v2.0, by our own definition.

Needs torch; imported only when a checkpoint is loaded, exported or counted.
"""

from __future__ import annotations

import re
from itertools import pairwise

import torch
from torch import Tensor, nn

from mlassay.tasks.object_detection.anchors import resnet34_anchors
from mlassay.tasks.object_detection.scene_ssd import decode
from mlassay.tasks.resnet import resnet34_until_conv4

CLASSES = 81  # COCO's 80 and background
_CHANNELS = (256, 512, 512, 256, 256, 256)
_SHAPES = (4, 6, 6, 6, 4, 4)
_NARROW = (256, 256, 128, 128, 128)  # inside each extra stage
_STRIDES = (2, 2, 2, 2, 1)


class SSDResNet34(nn.Module):
    """Pictures (B, 3, 1200, 1200) to boxes (B, 15130, 4) as shares (ymin, xmin, ymax, xmax) and class probabilities
    (B, 15130, 81), background first. The answer heads step by three, which makes the 1200×1200 affordable."""

    side = 1200

    def __init__(self) -> None:
        super().__init__()
        self.body = resnet34_until_conv4()
        self.extra = nn.ModuleList(
            _stage(inside, narrow, out, stride, pad)
            for (inside, out), narrow, stride, pad in zip(
                pairwise(_CHANNELS), _NARROW, _STRIDES, (1, 1, 1, 0, 0), strict=True
            )
        )
        self.loc = nn.ModuleList(nn.Conv2d(c, n * 4, 3, 3, 1) for c, n in zip(_CHANNELS, _SHAPES, strict=True))
        self.conf = nn.ModuleList(nn.Conv2d(c, n * CLASSES, 3, 3, 1) for c, n in zip(_CHANNELS, _SHAPES, strict=True))
        self.register_buffer("anchors", torch.from_numpy(resnet34_anchors()), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = [self.body(images)[-1]]
        for stage in self.extra:
            maps.append(stage(maps[-1]))
        # each head's channels are (4 or 81) × shapes, so that flattening leaves shape, row, column in order
        offsets = torch.cat([_flat(head(m), 4) for head, m in zip(self.loc, maps, strict=True)], 2)
        logits = torch.cat([_flat(head(m), CLASSES) for head, m in zip(self.conf, maps, strict=True)], 2)
        return decode(offsets.transpose(1, 2), self.anchors), logits.softmax(1).transpose(1, 2)


def published_key(ours: str) -> str:
    """Our name to the name in resnet34-ssd1200.pytorch (Zenodo record 3236545), which nests torchvision's children."""
    head, _, rest = ours.partition(".")
    if head == "extra":
        return f"additional_blocks.{rest}"
    if head != "body":
        return ours
    stem = {"conv1": "model.layer1.0", "bn1": "model.layer1.1", "layer1": "model.layer1.4", "layer2": "model.layer1.5"}
    first, _, inner = rest.partition(".")
    return f"{stem.get(first, 'model.layer2.0')}.{inner}"


def torchvision_key(ours: str) -> str:
    """The body's name in torchvision's resnet34, for a start from ImageNet weights."""
    return re.sub(r"^body\.", "", ours)


def _flat(answers: Tensor, width: int) -> Tensor:
    """(B, width · shapes, H, W) to (B, width, shapes · H · W)."""
    return answers.flatten(1).unflatten(1, (width, -1))


def _stage(inside: int, narrow: int, out: int, stride: int, pad: int) -> nn.Sequential:
    first, second = nn.Conv2d(inside, narrow, 1), nn.Conv2d(narrow, out, 3, stride, pad)
    return nn.Sequential(first, nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))
