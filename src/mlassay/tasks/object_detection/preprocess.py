"""From pixels to what a detector eats: the whole picture squeezed to a square, then scaled as the references do.

Resampling is linear between four neighbours without smoothing, on the decoded bytes, as the reference harness does it
(OpenCV's INTER_LINEAR). Boxes are answered as shares of width and height, so the squeeze needs no undoing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionRule:
    """How a picture becomes a sample: (pixel - mean) / deviation per channel (red, green, blue), 0-255 scale."""

    name: str
    summary: str
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Height × width × 3, scaled."""
        result = pixels.astype(np.float32)
        result -= np.asarray(self.mean, np.float32)
        result /= np.asarray(self.deviation, np.float32)
        return result


SCENE = DetectionRule(
    name="scene",
    summary="scaled to -1..1, for the packed detector and SSD-MobileNet in PyTorch",
    mean=(127.5, 127.5, 127.5),
    deviation=(127.5, 127.5, 127.5),
)
RESNET34 = DetectionRule(
    name="ssd-resnet34",
    summary="torchvision's mean and deviation",
    mean=(0.485 * 255, 0.456 * 255, 0.406 * 255),
    deviation=(0.229 * 255, 0.224 * 255, 0.225 * 255),
)
RESNET34_TF = DetectionRule(
    name="ssd-resnet34-tf",
    summary="channel means subtracted: the reference harness has it, none of its profiles uses it",
    mean=(123.68, 116.78, 103.94),
    deviation=(1.0, 1.0, 1.0),
)
RETINANET = DetectionRule(
    name="retinanet",
    summary="scaled to 0..1; mean and deviation are taken off inside the model",
    mean=(0.0, 0.0, 0.0),
    deviation=(255.0, 255.0, 255.0),
)
RULES = {rule.name: rule for rule in (SCENE, RESNET34, RESNET34_TF, RETINANET)}


def squeeze(pixels: Pixels, side: int) -> NDArray[np.float32]:
    """The whole picture at side × side, linear between neighbours, not rounded."""
    if pixels.shape[:2] == (side, side):
        return pixels.astype(np.float32)
    top, bottom, down = _neighbours(pixels.shape[0], side)
    left, right, across = _neighbours(pixels.shape[1], side)
    source = pixels.astype(np.float32)
    rows = source[top] * (1 - down)[:, None, None] + source[bottom] * down[:, None, None]
    return np.asarray(rows[:, left] * (1 - across)[:, None] + rows[:, right] * across[:, None], np.float32)


def _neighbours(old: int, new: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """For each new pixel its two old ones and the share of the second."""
    place = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
    first = np.floor(place).astype(np.int64)
    return first, np.minimum(first + 1, old - 1), (place - first).astype(np.float32)
