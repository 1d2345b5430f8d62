"""Boxes as (left, top, right, bottom) in pixels: overlap, the coding of regressions, non-maximum suppression.

torchvision's operator is used where torchvision imports; without it ours gives the same boxes.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

LARGEST_LOG_SCALE = math.log(1000.0 / 16)  # a box grows at most by this when decoded


def area(boxes: Tensor) -> Tensor:
    """(..., 4) to (...)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union: (..., N, 4) and (..., M, 4) to (..., N, M); 0 for boxes without area."""
    top_left = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    bottom_right = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    both = (bottom_right - top_left).clamp(min=0).prod(-1)
    union = area(a)[..., :, None] + area(b)[..., None, :] - both
    return torch.where(union > 0, both / union.clamp(min=1e-12), torch.zeros_like(both))


def centred(boxes: Tensor) -> Tensor:
    """(left, top, right, bottom) to (centre x, centre y, width, height)."""
    return torch.cat([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def cornered(boxes: Tensor) -> Tensor:
    """(centre x, centre y, width, height) to (left, top, right, bottom)."""
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def encode(boxes: Tensor, anchors: Tensor, weights: tuple[float, float]) -> Tensor:
    """What a regression must say to turn anchors into boxes: shifts in anchor sizes, logarithms of scales.

    `weights` multiply shifts and scales: (10, 5) is the 0.1 and 0.2 of the SSD paper.
    """
    b, a = centred(boxes), centred(anchors)
    shift = (b[..., :2] - a[..., :2]) / a[..., 2:] * weights[0]
    scale = (b[..., 2:].clamp(min=1e-6) / a[..., 2:]).log() * weights[1]
    return torch.cat([shift, scale], -1)


def decode(codes: Tensor, anchors: Tensor, weights: tuple[float, float]) -> Tensor:
    """The inverse of `encode`."""
    a = centred(anchors)
    middle = codes[..., :2] / weights[0] * a[..., 2:] + a[..., :2]
    size = (codes[..., 2:] / weights[1]).clamp(max=LARGEST_LOG_SCALE).exp() * a[..., 2:]
    return cornered(torch.cat([middle, size], -1))


def clipped(boxes: Tensor, height: float, width: float) -> Tensor:
    limits = boxes.new_tensor([width, height, width, height])
    return torch.minimum(boxes.clamp(min=0), limits)


def survivors(boxes: Tensor, threshold: float) -> Tensor:
    """Greedy suppression of boxes already sorted by falling score: (..., N, 4) to a mask (..., N).

    A box goes when a kept box before it overlaps it by more than `threshold`. Starting from all kept, each round of
    the update settles at least one more box for good, so the first repeated answer is the greedy one; in practice
    that takes a handful of rounds, each one product of matrices.
    """
    before = (iou(boxes, boxes) > threshold).triu(1).float()  # [j, i]: j stands before i and overlaps it
    kept = torch.ones(boxes.shape[:-1], device=boxes.device)
    while True:
        found = ((kept[..., None, :] @ before)[..., 0, :] == 0).float()
        if torch.equal(found, kept):
            return kept.bool()
        kept = found


def nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Numbers of the boxes that stay, by falling score: (N, 4) and (N,) to (K,)."""
    ops = torchvision_ops()
    if ops is not None:
        kept: Tensor = ops.nms(boxes, scores, threshold)
        return kept
    return nms_of_ours(boxes, scores, threshold)


def nms_of_ours(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    order = scores.argsort(descending=True, stable=True)
    return order[survivors(boxes[order], threshold)]


def nms_by_class(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> Tensor:
    """`nms` among boxes of equal class only: each class is moved to a place of its own."""
    if not len(boxes):
        return torch.zeros(0, dtype=torch.int64, device=boxes.device)
    apart = classes.to(boxes) * (boxes.max() - boxes.min() + 1)
    return nms(boxes + apart[:, None], scores, threshold)


@lru_cache
def torchvision_ops() -> Any:
    """torchvision.ops, or None where torchvision is absent or does not fit the torch that is installed."""
    try:
        import torchvision.ops
    except (ImportError, RuntimeError):  # a torchvision built for another torch raises RuntimeError
        return None
    return torchvision.ops
