"""The packed detector: a single-shot detector small enough for a minute's test, built like its big sisters.

Needs torch; imported only by what trains or exports it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mlassay.tasks.object_detection.anchors import scene_anchors
from mlassay.tasks.object_detection.scenes import CLASSES, SIDE

CENTRE_SCALE, SIZE_SCALE = 0.1, 0.2
"""What a network's box offsets are multiplied by (SSD, Liu et al., arXiv:1512.02325)."""


class SceneSSD(nn.Module):
    """Scenes (B, 3, 96, 96), scaled to -1..1, to boxes (B, A, 4) as shares (ymin, xmin, ymax, xmax) and class
    probabilities (B, A, 11), background first."""

    side = SIDE

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        w, n = width, len(CLASSES) + 1
        self.fine = nn.Sequential(
            _conv(3, w, 2), _separable(w, 2 * w, 1), _separable(2 * w, 3 * w, 2), _separable(3 * w, 3 * w, 1),
            _separable(3 * w, 5 * w, 2), _separable(5 * w, 5 * w, 1), _separable(5 * w, 5 * w, 1),
        )  # fmt: skip
        self.coarse = nn.Sequential(_separable(5 * w, 6 * w, 2), _separable(6 * w, 6 * w, 1))
        self.heads = nn.ModuleList(_head(channels, 6 * (4 + n)) for channels in (5 * w, 6 * w))
        self.n_classes = n
        self.register_buffer("anchors", torch.from_numpy(scene_anchors()), persistent=False)

    def raw(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Offsets (B, A, 4) and logits (B, A, 11), before they mean anything."""
        fine = self.fine(images)
        parts = []
        for head, features in zip(self.heads, (fine, self.coarse(fine)), strict=True):
            out = head(features).permute(0, 2, 3, 1)  # (B, H, W, 6 · 15)
            parts.append(out.reshape(out.shape[0], -1, 4 + self.n_classes))
        both = torch.cat(parts, 1)
        return both[..., :4], both[..., 4:]

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        offsets, logits = self.raw(images)
        return decode(offsets, self.anchors), logits.softmax(-1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Offsets (x, y, w, h) against anchors (cx, cy, w, h) to corners (ymin, xmin, ymax, xmax)."""
    centre = anchors[:, :2] + CENTRE_SCALE * offsets[..., :2] * anchors[:, 2:]
    half = anchors[:, 2:] * (SIZE_SCALE * offsets[..., 2:]).exp() / 2
    low, high = centre - half, centre + half
    return torch.stack([low[..., 1], low[..., 0], high[..., 1], high[..., 0]], -1)


def _conv(inside: int, outside: int, stride: int) -> nn.Sequential:
    layer = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outside), nn.ReLU(inplace=True))


def _separable(inside: int, outside: int, stride: int) -> nn.Sequential:
    layers: list[Any] = [nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False), nn.BatchNorm2d(inside)]
    layers += [nn.ReLU(inplace=True), nn.Conv2d(inside, outside, 1, bias=False), nn.BatchNorm2d(outside)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True))


def _head(channels: int, out: int) -> nn.Sequential:
    """A 3×3 look around, then the answers of the six anchors of each cell."""
    layers = [nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False), nn.BatchNorm2d(channels)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True), nn.Conv2d(channels, out, 1))
