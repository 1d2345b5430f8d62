"""Mask R-CNN's pictures: resized, mirrored, in blue-green-red order less the means, padded to one size for a batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from numpy.typing import NDArray
from torch import Tensor

from mlassay.training.common.pictures import Outlines, Picture

MEANS = torch.tensor((102.9801, 115.9465, 122.7717))[
    :, None, None
]  # blue, green, red; MSRA's weights know no deviation
PADDED_TO = 32


@dataclass(frozen=True, slots=True)
class Prepared:
    """One picture at the network's size."""

    pixels: Tensor  # (3, H, W)
    boxes: Tensor  # (n, 4)
    classes: Tensor  # (n,)
    masks: tuple[Outlines | NDArray[np.bool_], ...]

    @property
    def size(self) -> tuple[int, int]:
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])


def resized_to(width: int, height: int, shorter: int, longest: int) -> tuple[int, int]:
    """New width and height: the shorter side as wanted, unless the longer would be too long."""
    scale = min(shorter / min(width, height), longest / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def prepared(picture: Picture, shorter: int, longest: int, mirror: bool, scaled: bool) -> Prepared:
    """`scaled`: divide by 64, for nets without ImageNet's weights, which expect nothing."""
    width, height = resized_to(picture.width, picture.height, shorter, longest)
    pixels = picture.pixels.flip(0).float()[None]
    if (width, height) != (picture.width, picture.height):
        pixels = F.interpolate(pixels, (height, width), mode="bilinear", antialias=True, align_corners=False)
    pixels = pixels[0] - MEANS
    stretch = (width / picture.width, height / picture.height)
    boxes = picture.boxes * picture.boxes.new_tensor(stretch * 2)
    masks = tuple(_stretched(m, stretch, (height, width)) for m in picture.masks)
    if mirror:
        pixels = pixels.flip(2)
        boxes = torch.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], 1)
        masks = tuple(_mirrored(m, width) for m in masks)
    return Prepared(pixels / 64 if scaled else pixels, boxes, picture.classes, masks)


def batched(pictures: list[Prepared]) -> Tensor:
    """(B, 3, H, W), zeros to the right of and below smaller pictures, sides multiples of 32."""
    height, width = (-(-max(p.size[k] for p in pictures) // PADDED_TO) * PADDED_TO for k in (0, 1))
    return torch.stack([F.pad(p.pixels, (0, width - p.size[1], 0, height - p.size[0])) for p in pictures])


def _stretched(
    mask: Outlines | NDArray[np.bool_], stretch: tuple[float, float], size: tuple[int, int]
) -> Outlines | NDArray[np.bool_]:
    if not isinstance(mask, np.ndarray):
        return tuple(p * np.array(stretch) for p in mask)
    if mask.shape == size:
        return mask
    picture = torch.from_numpy(mask.astype(np.float32))[None, None]
    return np.asarray(F.interpolate(picture, size, mode="nearest")[0, 0].numpy() > 0.5)


def _mirrored(mask: Outlines | NDArray[np.bool_], width: int) -> Outlines | NDArray[np.bool_]:
    if isinstance(mask, np.ndarray):
        return np.ascontiguousarray(mask[:, ::-1])
    return tuple(np.stack([width - p[:, 0], p[:, 1]], 1) for p in mask)
