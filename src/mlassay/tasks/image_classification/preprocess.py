"""From pixels to what a model eats: the resizing and scaling rules of the reference implementations.

Pillow decodes; resampling that Pillow does otherwise than the references (area, linear without smoothing) is done here.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MissingDependency

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Scale:
    """(pixel - mean) / deviation, per channel, on the 0-255 scale; channels last."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def apply(self, pixels: Pixels) -> NDArray[np.float32]:
        result = pixels.astype(np.float32)
        result -= np.asarray(self.mean, np.float32)
        result /= np.asarray(self.deviation, np.float32)
        return result


class Resample(StrEnum):
    AREA = "area"  # every source pixel weighs by the area that it covers
    LINEAR = "linear"  # four neighbours, no smoothing
    SMOOTH_LINEAR = "smooth-linear"  # Pillow's and torchvision's bilinear, smoothed when shrinking
    SMOOTH_CUBIC = "smooth-cubic"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRule:
    """How a photograph becomes a sample."""

    name: str
    summary: str
    resample: Resample
    scale: Scale
    shorter_side: float = 256 / 224  # resized to this multiple of the model's size, then the centre is cut out
    crop_first: bool = False  # cut the same share out of the original instead, then resize

    def apply(self, pixels: Pixels, size: int) -> NDArray[np.float32]:
        """Height × width × 3 in, size × size × 3 out, scaled."""
        return self.scale.apply(self.cut(pixels, size))

    def cut(self, pixels: Pixels, size: int) -> Pixels:
        """The same, unscaled."""
        if self.crop_first:
            edge = int(min(pixels.shape[:2]) / self.shorter_side)
            return resize(centre(pixels, edge), size, size, self.resample)
        height, width = _with_shorter_side(pixels.shape[0], pixels.shape[1], round(size * self.shorter_side))
        return centre(resize(pixels, height, width, self.resample), size)


RESNET50 = PictureRule(
    name="resnet50",
    summary="shorter side 256 by area, centre 224, channel means subtracted (TensorFlow and ONNX reference)",
    resample=Resample.AREA,
    scale=Scale((123.68, 116.78, 103.94), (1.0, 1.0, 1.0)),
)
MOBILENET = PictureRule(
    name="mobilenet",
    summary="shorter side 256 linear, centre 224, scaled to -1..1 (MobileNet and TFLite reference)",
    resample=Resample.LINEAR,
    scale=Scale((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
)
TORCH = PictureRule(
    name="torch",
    summary="shorter side 256 smooth linear, centre 224, torchvision's mean and deviation",
    resample=Resample.SMOOTH_LINEAR,
    scale=Scale((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
)
LITE = PictureRule(
    name="lite",
    summary="centre 7/8 cut out, resized cubic, (pixel - 127) / 128 (EfficientNet-Lite)",
    resample=Resample.SMOOTH_CUBIC,
    scale=Scale((127.0, 127.0, 127.0), (128.0, 128.0, 128.0)),
    crop_first=True,
)
RULES = {rule.name: rule for rule in (RESNET50, MOBILENET, TORCH, LITE)}

FASHION_SCALE = Scale((72.94,), (90.02,))
"""Mean and deviation of all training pixels of Fashion-MNIST (0.2860 and 0.3530 of the full range)."""
GREY_SCALES = {"fashion": FASHION_SCALE, "unit": Scale((0.0,), (255.0,)), "signed": Scale((127.5,), (127.5,))}
"""For grey pictures, which are never resized."""


def read_picture(path: Path, data: bytes | None = None) -> Pixels:
    """Decode one picture to height × width × 3 (red, green, blue): the file at `path`, or `data` under that name."""
    image = _pillow()
    try:
        with image.open(path if data is None else io.BytesIO(data)) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, SyntaxError, ValueError, image.DecompressionBombError) as error:
        # Pillow reports damaged files by any of these
        reason = re.sub(r" ?(<_io.BytesIO[^>]*>)", "", str(error)).replace(str(path), "").strip(" '\"")
        reason = reason or type(error).__name__
        raise BadFile(path, found=f"not readable as a picture ({reason})", expected="a complete JPEG or PNG") from error


def centre(pixels: Pixels, size: int) -> Pixels:
    top, left = (pixels.shape[0] - size) // 2, (pixels.shape[1] - size) // 2
    return pixels[top : top + size, left : left + size]


def resize(pixels: Pixels, height: int, width: int, how: Resample) -> Pixels:
    """Resampled to height × width, rounded to bytes."""
    if pixels.shape[:2] == (height, width):
        return pixels
    if how in (Resample.SMOOTH_LINEAR, Resample.SMOOTH_CUBIC):
        image = _pillow()
        kind = image.Resampling.BILINEAR if how is Resample.SMOOTH_LINEAR else image.Resampling.BICUBIC
        return np.asarray(image.fromarray(pixels).resize((width, height), kind))
    shrinks = height <= pixels.shape[0] and width <= pixels.shape[1]
    down = _weights(pixels.shape[0], height, how, shrinks)
    across = _weights(pixels.shape[1], width, how, shrinks)
    rows = down @ pixels.reshape(pixels.shape[0], -1).astype(np.float32)  # (height, old width · 3)
    rows = rows.reshape(height, pixels.shape[1], -1)
    result = np.einsum("wo,hoc->hwc", across, rows, optimize=True)
    return np.asarray(np.clip(np.rint(result), 0, 255), np.uint8)


@lru_cache(maxsize=64)
def _weights(old: int, new: int, how: Resample, shrinks: bool) -> NDArray[np.float32]:
    """(new, old): the share of each old pixel in each new one; rows sum to one."""
    step = old / new
    position = np.arange(new, dtype=np.float64)[:, None]
    pixel = np.arange(old, dtype=np.float64)[None]
    if how is Resample.AREA and shrinks:
        weights = np.minimum(pixel + 1, (position + 1) * step) - np.maximum(pixel, position * step)
    elif how is Resample.AREA:  # when growing, a new pixel mixes two old ones only where it lies across their border
        left = np.floor(position * step)
        beyond = np.clip(position + 1 - (left + 1) / step, 0, 1)
        weights = 1 - np.abs(pixel - np.minimum(left + beyond, old - 1))
    else:
        middle = np.clip((position + 0.5) * step - 0.5, 0, old - 1)
        weights = 1 - np.abs(pixel - middle)
    weights = np.maximum(weights, 0)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def _with_shorter_side(height: int, width: int, shorter: int) -> tuple[int, int]:
    if height > width:
        return int(shorter * height / width), shorter
    return shorter, int(shorter * width / height)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingDependency("Pillow", extra="onnx", why="it decodes pictures") from error
    return Image
