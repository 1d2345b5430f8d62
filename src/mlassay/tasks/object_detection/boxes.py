"""Boxes as corners (ymin, xmin, ymax, xmax): overlap, suppression, and the choice of what to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of a detector's candidates become its answer."""

    score: float  # the least that counts
    iou: float  # of two boxes of one class that overlap more, the better one stays
    most: int  # detections per picture
    candidates: int = 1000  # considered per picture, best first


SSD_RESNET34 = Selection(score=0.05, iou=0.5, most=200)
SSD_MOBILENET = Selection(score=0.01, iou=0.6, most=100)
RETINANET = Selection(score=0.05, iou=0.5, most=300, candidates=4000)
SCENE = Selection(score=0.05, iou=0.5, most=50)


def overlaps(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of a (n, 4) with every box of b (m, 4); empty boxes overlap nothing."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    union = area(a)[:, None] + area(b)[None] - both
    return np.asarray(np.divide(both, union, out=np.zeros_like(both), where=union > 0), np.float32)


def area(boxes: Floats) -> Floats:
    sides = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(np.clip(sides, 0, None).prod(1), np.float32)


def suppressed(boxes: Floats, labels: NDArray[Any], iou: float, most: int) -> NDArray[np.int64]:
    """Rows that remain when, best first, each box removes the later ones of its class that it overlaps too much.

    The boxes must come best first.
    """
    n = len(boxes)
    clash = overlaps(boxes, boxes) > iou
    clash &= labels[:, None] == labels[None]
    alive = np.ones(n, np.bool_)
    kept: list[int] = []
    for row in range(n):
        if alive[row]:
            kept.append(row)
            if len(kept) == most:
                break
            alive &= ~clash[row]
    return np.asarray(kept, np.int64)


def chosen(boxes: Floats, scores: Floats, labels: NDArray[Any], rule: Selection) -> Floats:
    """Candidates (n, 4), (n,), (n,) to answers (k, 6): ymin, xmin, ymax, xmax, score, label; best first."""
    likely = np.flatnonzero(scores > rule.score)
    if len(likely) > rule.candidates:
        likely = likely[np.argpartition(-scores[likely], rule.candidates)[: rule.candidates]]
    order = likely[np.argsort(-scores[likely], kind="stable")]
    boxes, scores, labels = boxes[order], scores[order], labels[order]
    kept = suppressed(boxes, labels, rule.iou, rule.most)
    answer = np.empty((len(kept), 6), np.float32)
    answer[:, :4], answer[:, 4], answer[:, 5] = boxes[kept], scores[kept], labels[kept]
    return answer
