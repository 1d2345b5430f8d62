"""What each anchor and each region should say, and the four losses. Everything is of one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from mlassay.training.common.boxes import clipped, decode, encode, iou, nms_by_class

FOREGROUND, BACKGROUND = 0.7, 0.3  # overlaps of anchors
REGION_FOREGROUND = 0.5
PROPOSAL_NMS = 0.7
ANCHOR_CODING, REGION_CODING = (1.0, 1.0), (10.0, 5.0)
POSITIVE_ANCHORS, POSITIVE_REGIONS = 0.5, 0.25  # largest shares of a sample
ANCHOR_BETA, REGION_BETA = 1 / 9, 1.0  # where the smooth L1 turns straight


@dataclass(frozen=True, slots=True)
class Regions:
    """The sample of regions that the heads learn from."""

    boxes: Tensor  # (n, 4)
    classes: Tensor  # (n,), 0 for background
    codes: Tensor  # (n, 4), meaningless for background
    objects: Tensor  # (n,) number of the object that each belongs to


def sampled(positive: Tensor, negative: Tensor, n: int, share: float, rng: np.random.Generator) -> Tensor:
    """Numbers of up to n candidates, at most `share` of them positive, the positive first."""
    yes, no = positive.nonzero()[:, 0], negative.nonzero()[:, 0]
    n_yes = min(len(yes), int(n * share))
    n_no = min(len(no), n - n_yes)
    return torch.cat([_some(yes, n_yes, rng), _some(no, n_no, rng)])


def _some(numbers: Tensor, n: int, rng: np.random.Generator) -> Tensor:
    return numbers[torch.from_numpy(rng.permutation(len(numbers))[:n]).to(numbers.device)]


def anchor_labels(anchors: Tensor, objects: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
    """1, 0 or -1 (not used) for each anchor, and its object's number.

    Besides those that overlap an object by 0.7, the best anchors of each object count, however low.
    """
    if not len(objects):
        return torch.where(usable, 0, -1), torch.zeros(len(anchors), dtype=torch.int64, device=anchors.device)
    overlap = iou(objects, anchors)
    best, which = overlap.max(0)
    labels = torch.full_like(which, -1)
    labels[best < BACKGROUND] = 0
    labels[best >= FOREGROUND] = 1
    top = overlap.amax(1, keepdim=True)
    labels[((overlap == top) & (top > 0)).any(0)] = 1
    return labels.masked_fill(~usable, -1), which


def proposal_loss(
    scores: Tensor, codes: Tensor, anchors: Tensor, objects: Tensor, usable: Tensor, n: int, rng: np.random.Generator
) -> Tensor:
    """Binary cross-entropy over a sample of anchors, smooth L1 over its positive ones, both by the sample's size."""
    labels, which = anchor_labels(anchors, objects, usable)
    chosen = sampled(labels == 1, labels == 0, n, POSITIVE_ANCHORS, rng)
    if not len(chosen):
        return scores.sum() * 0.0
    positive = chosen[labels[chosen] == 1]
    entropy = F.binary_cross_entropy_with_logits(scores[chosen], labels[chosen].to(scores))
    if not len(positive):
        return entropy + codes.sum() * 0.0
    wanted = encode(objects[which[positive]], anchors[positive], ANCHOR_CODING)
    place = F.smooth_l1_loss(codes[positive], wanted, beta=ANCHOR_BETA, reduction="sum")
    return entropy + place / len(chosen)


@torch.no_grad()
def proposals(
    scores: list[Tensor], codes: list[Tensor], anchors: list[Tensor], size: tuple[int, int], n_before: int, n: int
) -> Tensor:
    """The likeliest boxes of one picture (≤ n, 4): the best of each map, suppressed within it, the best of all."""
    boxes, chances, levels = [], [], []
    for level, (s, c, a) in enumerate(zip(scores, codes, anchors, strict=True)):
        best, which = s.topk(min(n_before, len(s)))
        boxes.append(clipped(decode(c[which], a[which], ANCHOR_CODING), *size))
        chances.append(best)
        levels.append(torch.full_like(which, level))
    found, chance = torch.cat(boxes), torch.cat(chances)
    kept = nms_by_class(found, chance, torch.cat(levels), PROPOSAL_NMS)
    return found[kept[:n]]


def region_sample(found: Tensor, objects: Tensor, classes: Tensor, n: int, rng: np.random.Generator) -> Regions:
    """The objects themselves join the proposals; a quarter at most overlaps an object by half."""
    boxes = torch.cat([found, objects])
    if not len(objects):
        kept = boxes[: min(n, len(boxes))]
        nothing = torch.zeros(len(kept), dtype=torch.int64, device=boxes.device)
        return Regions(kept, nothing, torch.zeros_like(kept), nothing)
    best, which = iou(objects, boxes).max(0)
    positive = best >= REGION_FOREGROUND
    chosen = sampled(positive, ~positive, n, POSITIVE_REGIONS, rng)
    which = which[chosen]
    labels = torch.where(positive[chosen], classes[which], 0)
    return Regions(boxes[chosen], labels, encode(objects[which], boxes[chosen], REGION_CODING), which)


def region_loss(scores: Tensor, codes: Tensor, regions: Regions) -> Tensor:
    """Cross-entropy over the sample, smooth L1 on the true class's box of its positive ones, by the sample's size."""
    entropy = F.cross_entropy(scores, regions.classes)
    positive = regions.classes > 0
    told = codes[positive, regions.classes[positive]]
    place = F.smooth_l1_loss(told, regions.codes[positive], beta=REGION_BETA, reduction="sum")
    return entropy + place / len(regions.boxes)


def mask_loss(scores: Tensor, classes: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy on the true class's mask: (P, K, 28, 28), (P,), (P, 28, 28)."""
    if not len(classes):
        return scores.sum() * 0.0
    own = scores[torch.arange(len(classes), device=scores.device), classes]
    return F.binary_cross_entropy_with_logits(own, wanted)
