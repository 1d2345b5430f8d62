"""SSD (Liu et al. 2015) on ResNet-34: backbone to stage 3, smaller maps behind it, two 3x3 heads on each map."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor, nn

from mlassay.training.common.boxes import cornered, encode, iou
from mlassay.training.resnet.model import BN_EPS, BN_MOMENTUM, Block, place_of
from mlassay.training.ssd.recipe import SsdConfig

CODING = (10.0, 5.0)  # variances 0.1 for centres and 0.2 for sizes
MATCHED = 0.5
NEGATIVES_PER_POSITIVE = 3


class Backbone(nn.Module):
    """(B, 3, S, S) to (B, 4·width, S/8, S/8): ResNet whose third stage keeps the size of the second."""

    def __init__(self, depths: tuple[int, ...], width: int, imagenet_stem: bool) -> None:
        super().__init__()
        kernel = 7 if imagenet_stem else 3
        stem: list[nn.Module] = [
            nn.Conv2d(3, width, kernel, 2, kernel // 2, bias=False),
            nn.BatchNorm2d(width, BN_EPS, BN_MOMENTUM),
            nn.ReLU(inplace=True),
        ]
        if imagenet_stem:
            stem.append(nn.MaxPool2d(3, 2, 1))
        self.stem = nn.Sequential(*stem)
        blocks: list[nn.Module] = []
        n_in = width
        for stage, depth in enumerate(depths):
            for i in range(depth):
                block = Block(n_in, width * 2**stage, 2 if stage == 1 and i == 0 else 1, bottleneck=False)
                n_in = block.n_out
                blocks.append(block)
        self.stages = nn.Sequential(*blocks)
        self.n_out = n_in

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.stages(self.stem(x))
        return out


class SSD(nn.Module):
    """Pictures (B, 3, S, S) to box codes (B, A, 4) and class scores (B, A, n_classes), A default boxes."""

    def __init__(self, c: SsdConfig) -> None:
        super().__init__()
        self.n_classes = c.n_classes
        self.backbone = Backbone(c.depths, c.base_width, c.stem == "imagenet")
        widths = [self.backbone.n_out, *(e[1] for e in c.extras)]
        self.extras = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(n_in, mid, 1), nn.ReLU(inplace=True),
                nn.Conv2d(mid, out, 3, stride, padding), nn.ReLU(inplace=True),
            )
            for n_in, (mid, out, stride, padding) in zip(widths, c.extras, strict=False)
        )  # fmt: skip
        n_boxes = [2 + 2 * len(r) for r in c.ratios]
        self.place = nn.ModuleList(nn.Conv2d(w, n * 4, 3, padding=1) for w, n in zip(widths, n_boxes, strict=True))
        self.score = nn.ModuleList(
            nn.Conv2d(w, n * c.n_classes, 3, padding=1) for w, n in zip(widths, n_boxes, strict=True)
        )
        for part in (self.extras, self.place, self.score):
            for m in part.modules():
                if isinstance(m, nn.Conv2d):  # biases keep PyTorch's default: the reference re-draws matrices only
                    nn.init.xavier_uniform_(m.weight)
        if c.backbone == "none":
            for m in self.backbone.modules():
                if isinstance(m, nn.Conv2d):
                    nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        maps = [self.backbone(pictures)]
        for extra in self.extras:
            maps.append(extra(maps[-1]))
        codes = [_by_box(head(m), 4) for head, m in zip(self.place, maps, strict=True)]
        scores = [_by_box(head(m), self.n_classes) for head, m in zip(self.score, maps, strict=True)]
        return torch.cat(codes, 1), torch.cat(scores, 1)


def _by_box(x: Tensor, n: int) -> Tensor:
    """(B, boxes·n, H, W) to (B, H·W·boxes, n), in the order of `default_boxes`."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, n)


def default_boxes(c: SsdConfig, sides: tuple[int, ...]) -> Tensor:
    """(A, 4) as left, top, right, bottom, shares of the picture: by map, row, column, shape.

    Centres and sizes (not corners) are cut to 0..1, as in the reference: boxes may stand out over the rim.

    Shapes of a map with scale s and the next map's t: s×s, √(st)×√(st), then s·√r × s/√r and its turn for each ratio.
    """
    maps = []
    for k, side in enumerate(sides):
        small, large = c.scales[k] / c.image_size, c.scales[k + 1] / c.image_size
        shapes = [(small, small), (math.sqrt(small * large),) * 2]
        for r in c.ratios[k]:
            wide, high = small * math.sqrt(r), small / math.sqrt(r)
            shapes += [(wide, high), (high, wide)]
        at = (torch.arange(side, dtype=torch.float64) + 0.5) * c.steps[k] / c.image_size
        y, x = torch.meshgrid(at, at, indexing="ij")
        centres = torch.stack([x, y], -1).reshape(-1, 1, 2).expand(-1, len(shapes), 2)
        sizes = torch.tensor(shapes, dtype=torch.float64).expand(len(centres), -1, 2)
        maps.append(torch.cat([centres, sizes], -1).reshape(-1, 4))
    return cornered(torch.cat(maps).clamp(0, 1)).float()


def map_sides(c: SsdConfig) -> tuple[int, ...]:
    """Edge of each map that carries default boxes, in cells."""
    side = c.image_size
    for _ in range(3 if c.stem == "imagenet" else 2):  # stem, pool, second stage: each halves, rounding up
        side = -(-side // 2)
    sides = [side]
    for _, _, stride, padding in c.extras:
        sides.append((sides[-1] + 2 * padding - 3) // stride + 1)
    return tuple(sides)


def matched(boxes: Tensor, classes: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """For one picture: what each default box should say, codes (A, 4) and class (A,), 0 for background.

    Each object gets its best default box, whatever the overlap; then each default box over 0.5 its best object.
    """
    if not len(boxes):
        return torch.zeros_like(anchors), torch.zeros(len(anchors), dtype=torch.int64)
    overlap = iou(boxes, anchors)  # (n, A)
    best, which = overlap.max(0)
    for_object = overlap.argmax(1)
    best[for_object] = 2.0
    which[for_object] = torch.arange(len(boxes))
    labels = torch.where(best > MATCHED, classes[which], 0)
    return encode(boxes[which], anchors, CODING), labels


def multibox_loss(codes: Tensor, scores: Tensor, wanted_codes: Tensor, labels: Tensor) -> Tensor:
    """Smooth L1 on matched boxes and cross-entropy on them and the hardest negatives, three for each.

    Summed over a picture, divided by its matched boxes, averaged over the batch; a picture without any counts as 0.
    """
    positive = labels > 0  # (B, A)
    n_positive = positive.sum(1)
    place = (F.smooth_l1_loss(codes, wanted_codes, reduction="none").sum(2) * positive).sum(1)
    entropy = F.cross_entropy(scores.transpose(1, 2), labels, reduction="none")
    rank = entropy.detach().masked_fill(positive, 0.0).argsort(1, descending=True).argsort(1)
    hard = rank < (NEGATIVES_PER_POSITIVE * n_positive).clamp(max=labels.shape[1])[:, None]
    kind = (entropy * (positive | hard)).sum(1)
    return ((place + kind) * (n_positive > 0) / n_positive.clamp(min=1)).mean()


def reference_name(parameter: str, depths: tuple[int, ...]) -> str:
    """Ours as the logs of v1.1 have it, where both heads of a map are one tensor."""
    *path, kind = parameter.split(".")
    if path[0] in ("place", "score"):
        return f"ssd0_convpredictor{path[1]}_conv0_{kind}"
    if path[0] == "extras":
        return f"ssd0_expand_{'trans_' if path[2] == '0' else ''}conv{path[1]}_{kind}"
    where, number, is_norm = "", 0, path[-1] == "1"
    if path[1] == "stages":
        stage, unit = place_of(int(path[2]), depths)
        is_norm = int(path[4]) % 3 == 1
        where = f"stage{stage + 1}_"
        shortcut = 1 if stage > 0 and unit > 0 else 0  # counted behind the first block's own two
        number = 2 if path[3] == "shortcut" else 2 * unit + shortcut + int(path[4]) // 3
    layer = f"batchnorm{number}_" + {"weight": "gamma", "bias": "beta"}[kind] if is_norm else f"conv{number}_{kind}"
    return f"ssd0_resnetmlperf0_{where}{layer}"
