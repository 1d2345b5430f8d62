"""RetinaNet on ResNeXt50-32x4d at 800×800, the rule book's detector of v2.1 to v6.0, by our own definition.

Needs torch; imported only when a checkpoint is loaded, exported or counted. Names follow torchvision's, so that the
published checkpoint needs no map.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlassay.tasks.object_detection.anchors import retinanet_anchors
from mlassay.tasks.resnet import resnext50_32x4d

CLASSES = 264  # OpenImages, MLPerf's subset; no background
_SHAPES = 9
_LEAST, _PER_LEVEL = 0.05, 1000
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_LONGEST = math.log(1000 / 16)  # offsets of size are cut here before the exponential


class RetinaNet(nn.Module):
    """Pictures (B, 3, 800, 800) in 0..1 to the best candidates of each feature map: boxes (B, N, 4) as shares
    (ymin, xmin, ymax, xmax), scores (B, N), labels (B, N) from 0, N up to 5,000 less what small maps lack."""

    side = 800

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.classes = classes
        self.backbone = nn.ModuleDict({"body": resnext50_32x4d(), "fpn": _Pyramid((512, 1024, 2048), 256)})
        self.head = nn.ModuleDict(
            {
                "classification_head": _Head("cls_logits", _SHAPES * classes),
                "regression_head": _Head("bbox_reg", _SHAPES * 4),
            }
        )
        self.register_buffer("anchors", torch.from_numpy(retinanet_anchors()), persistent=False)
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(_DEVIATION).reshape(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.backbone["fpn"](self.backbone["body"]((images - self.mean) / self.deviation)[1:])
        first = 0
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        for features in maps:
            logits = _rows(self.head["classification_head"](features), self.classes)
            offsets = _rows(self.head["regression_head"](features), 4)
            count = int(offsets.shape[1])
            found.append(self._best(logits, offsets, self.anchors[first : first + count]))
            first += count
        boxes, scores, labels = (torch.cat(part, 1) for part in zip(*found, strict=True))
        return boxes, scores, labels

    def _best(self, logits: Tensor, offsets: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The thousand likeliest (anchor, class) pairs of one feature map, decoded."""
        flat = logits.flatten(1)
        scores, which = flat.topk(min(_PER_LEVEL, int(flat.shape[1])))
        anchor = which // self.classes
        at = anchors[anchor]  # (B, k, 4)
        moved = offsets.gather(1, anchor[..., None].expand(-1, -1, 4))
        centre = at[..., :2] + moved[..., :2] * at[..., 2:]
        half = at[..., 2:] * moved[..., 2:].clamp(max=_LONGEST).exp() / 2
        low, high = (centre - half).clamp(0, 1), (centre + half).clamp(0, 1)
        boxes = torch.stack([low[..., 1], low[..., 0], high[..., 1], high[..., 0]], -1)
        return boxes, scores.sigmoid(), which % self.classes


class _Pyramid(nn.Module):
    """Feature pyramid (Lin et al., arXiv:1612.03144) over three stages, and two coarser maps below."""

    def __init__(self, channels: tuple[int, ...], out: int) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Conv2d(c, out, 1) for c in channels)
        self.layer_blocks = nn.ModuleList(nn.Conv2d(out, out, 3, 1, 1) for _ in channels)
        self.extra_blocks = nn.ModuleDict({"p6": nn.Conv2d(out, out, 3, 2, 1), "p7": nn.Conv2d(out, out, 3, 2, 1)})

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        above = self.inner_blocks[-1](stages[-1])
        maps = [self.layer_blocks[-1](above)]
        for level in (1, 0):
            side = self.inner_blocks[level](stages[level])
            above = side + functional.interpolate(above, size=side.shape[-2:], mode="nearest")
            maps.insert(0, self.layer_blocks[level](above))
        maps.append(self.extra_blocks["p6"](maps[-1]))
        maps.append(self.extra_blocks["p7"](functional.relu(maps[-1])))
        return maps


class _Head(nn.Module):
    """Four 3×3 convolutions shared by all feature maps, then the answers."""

    def __init__(self, name: str, out: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(4):
            layers += [nn.Conv2d(256, 256, 3, 1, 1), nn.ReLU()]
        self.conv = nn.Sequential(*layers)
        self.answer = name
        self.add_module(name, nn.Conv2d(256, out, 3, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.get_submodule(self.answer)(self.conv(features))
        return out


def published_key(ours: str) -> str:
    """Our name to the name in resnext50_32x4d_fpn.pth (Zenodo record 6617981): the same."""
    return ours


def _rows(answers: Tensor, width: int) -> Tensor:
    """(B, shapes · width, H, W) to (B, H · W · shapes, width)."""
    moved = answers.permute(0, 2, 3, 1)
    return moved.reshape(moved.shape[0], -1, width)
