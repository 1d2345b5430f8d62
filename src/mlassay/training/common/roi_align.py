"""RoIAlign (He et al. 2017, section 3): each region to a grid of equal size, without rounding its corners.

torchvision's operator is used where torchvision imports; without it ours computes the same by grid sampling.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from mlassay.training.common.boxes import torchvision_ops


def roi_align(features: Tensor, regions: list[Tensor], scale: float, size: int, samples: int = 2) -> Tensor:
    """Features (B, C, H, W) and regions, B times (n, 4) in pixels of the picture, to (Σn, C, size, size).

    `scale` is cells per pixel. Corners are not moved by half a cell (torchvision's aligned=False), regions are at
    least one cell wide, each of the grid's places is the mean of samples² points, and points more than a cell
    outside count as 0.
    """
    ops = torchvision_ops()
    if ops is not None:
        out: Tensor = ops.roi_align(features, regions, size, scale, samples, False)
        return out
    return roi_align_of_ours(features, regions, scale, size, samples)


def roi_align_of_ours(features: Tensor, regions: list[Tensor], scale: float, size: int, samples: int = 2) -> Tensor:
    parts = [
        _of_one(one, found, scale, size, samples) for one, found in zip(features, regions, strict=True) if len(found)
    ]
    return torch.cat(parts) if parts else features.new_zeros(0, features.shape[1], size, size)


def _of_one(features: Tensor, regions: Tensor, scale: float, size: int, samples: int) -> Tensor:
    """(C, H, W) and (n, 4) to (n, C, size, size)."""
    height, width = features.shape[1:]
    n_points = size * samples
    x, x_outside = _points(regions[:, 0] * scale, regions[:, 2] * scale, n_points, width)  # (n, P)
    y, y_outside = _points(regions[:, 1] * scale, regions[:, 3] * scale, n_points, height)
    grid = torch.stack([x[:, None, :].expand(-1, n_points, -1), y[:, :, None].expand(-1, -1, n_points)], -1)
    sampled = F.grid_sample(
        features[None], grid.reshape(1, -1, n_points, 2), mode="bilinear", padding_mode="border", align_corners=True
    )[0]  # (C, n·P, P)
    sampled = sampled.reshape(-1, len(regions), n_points, n_points)
    outside = y_outside[:, :, None] | x_outside[:, None, :]
    sampled = sampled.masked_fill(outside[None], 0.0)
    return F.avg_pool2d(sampled, samples).transpose(0, 1)


def _points(low: Tensor, high: Tensor, n: int, cells: int) -> tuple[Tensor, Tensor]:
    """Sample places along one axis (regions, n), -1 at the first cell and 1 at the last; which lie outside."""
    length = (high - low).clamp(min=1.0)
    at = low[:, None] + (torch.arange(n, device=low.device) + 0.5) * (length / n)[:, None]
    return at.clamp(0, cells - 1) * (2 / max(cells - 1, 1)) - 1, (at < -1) | (at > cells)
