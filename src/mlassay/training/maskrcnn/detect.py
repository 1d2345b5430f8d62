"""From maps to answers: boxes, classes, scores and masks of each picture, as the reference's test does it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mlassay.training.common.boxes import clipped, decode, nms_by_class
from mlassay.training.maskrcnn.model import BOX_GRID, MASK_GRID, MaskRCNN
from mlassay.training.maskrcnn.targets import REGION_CODING

LEAST_SCORE = 0.05
OVERLAP = 0.5
MOST = 100  # detections of a picture


@dataclass(frozen=True, slots=True)
class Detections:
    """Of one picture, at the network's size."""

    boxes: Tensor  # (n, 4)
    classes: Tensor  # (n,) from 1
    scores: Tensor  # (n,)
    masks: Tensor  # (n, 28, 28) chances


def detect(net: MaskRCNN, maps: list[Tensor], regions: list[Tensor], sizes: list[tuple[int, int]]) -> list[Detections]:
    """`regions` are the proposals of each picture, `sizes` their heights and widths."""
    scores, codes = net.box(net.pooled(maps, regions, BOX_GRID))
    cuts = [len(r) for r in regions]
    found = [
        _chosen(r, s, c, size)
        for r, s, c, size in zip(regions, scores.softmax(1).split(cuts), codes.split(cuts), sizes, strict=True)
    ]
    masks = net.mask(net.pooled(maps, [f[0] for f in found], MASK_GRID)).sigmoid()
    out = []
    for (boxes, classes, chances), m in zip(found, masks.split([len(f[0]) for f in found]), strict=True):
        own = m[torch.arange(len(classes), device=m.device), classes]
        out.append(Detections(boxes.cpu(), classes.cpu(), chances.cpu(), own.cpu()))
    return out


def _chosen(regions: Tensor, scores: Tensor, codes: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, classes, scores: every class of every region over 0.05, suppressed by class, the 100 best."""
    boxes = clipped(decode(codes, regions[:, None], REGION_CODING), *size)  # (R, K, 4)
    region, label = (scores[:, 1:] > LEAST_SCORE).nonzero(as_tuple=True)
    label = label + 1
    candidates, chances = boxes[region, label], scores[region, label]
    kept = nms_by_class(candidates, chances, label, OVERLAP)[:MOST]
    return candidates[kept], label[kept], chances[kept]
