"""SSD's training pictures: a random crop that keeps objects, mirror, fixed size, other colours, ImageNet's scale."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from torch import Tensor

from mlassay.training.common.boxes import iou

MEAN = torch.tensor((0.485, 0.456, 0.406))[:, None, None]
DEVIATION = torch.tensor((0.229, 0.224, 0.225))[:, None, None]
CHOICES = (
    None,
    0.1,
    0.3,
    0.5,
    0.7,
    0.9,
    -1.0,
)  # None: the whole picture; else what each object must overlap the crop by
BRIGHTNESS, CONTRAST, SATURATION, HUE = 0.125, 0.5, 0.5, 0.05
_GREY = torch.tensor((0.299, 0.587, 0.114))[:, None, None]


def augmented(
    pixels: Tensor, boxes: Tensor, classes: Tensor, size: int, attempts: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """(3, H, W) bytes and boxes in pixels to (3, size, size) scaled, and boxes as shares of the picture."""
    height, width = pixels.shape[1:]
    shares = boxes / boxes.new_tensor([width, height, width, height])
    crop, inside = random_crop(shares, width, height, attempts, rng)
    left, top, right, bottom = (round(s * n) for s, n in zip(crop.tolist(), (width, height) * 2, strict=True))
    pixels = pixels[:, top : max(bottom, top + 1), left : max(right, left + 1)]
    shares = (shares[inside] - crop[:2].repeat(2)) / (crop[2:] - crop[:2]).repeat(2)
    shares, classes = shares.clamp(0, 1), classes[inside]
    picture = resized(pixels, size)
    if rng.random() < 0.5:
        picture = picture.flip(2)
        shares = torch.stack([1 - shares[:, 2], shares[:, 1], 1 - shares[:, 0], shares[:, 3]], 1)
    return (jittered(picture, rng) - MEAN) / DEVIATION, shares, classes


def plain(pixels: Tensor, size: int) -> Tensor:
    """For evaluation: fixed size and ImageNet's scale only."""
    return (resized(pixels, size) - MEAN) / DEVIATION


def resized(pixels: Tensor, size: int) -> Tensor:
    """(3, H, W) bytes to (3, size, size) in 0..1, bilinear with antialiasing as Pillow's."""
    picture = pixels[None].float() / 255
    if pixels.shape[1:] != (size, size):
        picture = F.interpolate(picture, (size, size), mode="bilinear", antialias=True, align_corners=False)
    return picture[0]


def random_crop(
    shares: Tensor, width: int, height: int, attempts: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A crop (4,) as shares of the picture, and which boxes have their centre in it.

    A kind of crop is drawn, then up to `attempts` crops of it; when none fits, another kind. With the default of one
    attempt most draws fall back to another kind in the end: that is how the reference behaves.
    """
    everything = torch.ones(len(shares), dtype=torch.bool)
    while True:
        least = CHOICES[int(rng.integers(len(CHOICES)))]
        if least is None:
            return shares.new_tensor([0.0, 0.0, 1.0, 1.0]), everything
        for _ in range(attempts):
            w, h = rng.uniform(0.3, 1.0, 2)
            if not 0.5 < (w * width) / (h * height) < 2:
                continue
            left, top = rng.uniform(0, 1 - w), rng.uniform(0, 1 - h)
            crop = shares.new_tensor([left, top, left + w, top + h])
            if not bool((iou(crop[None], shares) > least).all()):
                continue
            centres = (shares[:, :2] + shares[:, 2:]) / 2
            inside = ((centres > crop[:2]) & (centres < crop[2:])).all(1)
            if bool(inside.any()):
                return crop, inside


def jittered(picture: Tensor, rng: np.random.Generator) -> Tensor:
    """Brightness, contrast, saturation and hue, in a random order."""
    for which in rng.permutation(4):
        if which == 0:
            picture = picture * rng.uniform(1 - BRIGHTNESS, 1 + BRIGHTNESS)
        elif which == 1:
            mean = (picture * _GREY).sum(0).mean()
            picture = mean + (picture - mean) * rng.uniform(1 - CONTRAST, 1 + CONTRAST)
        elif which == 2:
            grey = (picture * _GREY).sum(0, keepdim=True)
            picture = grey + (picture - grey) * rng.uniform(1 - SATURATION, 1 + SATURATION)
        else:
            picture = turned(picture, rng.uniform(-HUE, HUE))
        picture = picture.clamp(0, 1)
    return picture


def turned(picture: Tensor, turn: float) -> Tensor:
    """Hue moved by `turn` of the circle, saturation and value as they were: (3, H, W) in 0..1."""
    value, low = picture.amax(0), picture.amin(0)
    spread = (value - low).clamp(min=1e-12)
    red, green, blue = picture
    hue = torch.where(
        value == red,
        (green - blue) / spread,
        torch.where(value == green, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    sixth = (hue + turn * 6)[None] + picture.new_tensor([5.0, 3.0, 1.0])[:, None, None]
    k = sixth % 6
    return value - (value - low) * torch.minimum(k, 4 - k).clamp(0, 1)
