"""Scenes for the small profile: photographs of clothing laid out in colour on 96×96 pictures, exact boxes known.

A scene is a pure function of (pictures, seed, number): integer and elementwise arithmetic alone, so that every machine
draws the same bytes. Items are tinted warm and backgrounds cool: a pipeline that swaps red and blue is found out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.tasks.image_classification.idx import read_idx

SIDE = 96
CLASSES = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
PACKED_SCENES = 500
PACKED_SEED = 20260102
_PACKED = Path(__file__).parent.parent / "image_classification" / "data"
_SMALLEST, _LARGEST = 24, 48  # pixels, the side of a picture once laid down
_VISIBLE = 24  # of 255: from here on a picture's pixel counts as part of the item
_OVERLAP = 0.1  # largest intersection over union of two boxes


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture with its objects: boxes as (left, top, right, bottom) in pixels, classes from 0."""

    pixels: NDArray[np.uint8]  # (SIDE, SIDE, 3), red first
    boxes: NDArray[np.float32]  # (n, 4)
    classes: NDArray[np.int64]  # (n,)


@dataclass(frozen=True, slots=True)
class SceneSource:
    """Photographs to lay out, and the seed that says how."""

    images: NDArray[np.uint8]  # (N, 28, 28)
    labels: NDArray[np.int64]
    seed: int

    def scene(self, number: int) -> Scene:
        draw = random.Random(self.seed * 1_000_003 + number).random  # random() alone is stable across Python versions
        canvas = _background(self.seed * 7919 + number, draw)
        boxes: list[tuple[int, int, int, int]] = []
        classes: list[int] = []
        for _ in range(2 + int(draw() * 4)):
            which = int(draw() * len(self.images))
            item = enlarged(self.images[which], _SMALLEST + int(draw() * (_LARGEST - _SMALLEST + 1)))
            tint = (0.70 + 0.30 * draw(), 0.40 + 0.35 * draw(), 0.15 + 0.30 * draw())
            for _ in range(12):
                top, left = int(draw() * (SIDE - len(item) + 1)), int(draw() * (SIDE - len(item) + 1))
                box = _bounds(item, top, left)
                if box is not None and all(_iou(box, other) <= _OVERLAP for other in boxes):
                    _lay(canvas, item, top, left, tint)
                    boxes.append(box)
                    classes.append(int(self.labels[which]))
                    break
        pixels = np.clip(canvas, 0, 255).astype(np.uint8)
        return Scene(pixels, np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(classes, np.int64))


def packed_source() -> SceneSource:
    """The 2,000 Fashion-MNIST test pictures in the wheel, with the seed of the packed scenes."""
    prefix = "fashion-mnist-t10k-first2000"
    images = read_idx(_PACKED / f"{prefix}-images-idx3-ubyte.gz")
    labels = read_idx(_PACKED / f"{prefix}-labels-idx1-ubyte.gz")
    return SceneSource(images, labels.astype(np.int64), PACKED_SEED)


def as_coco(scenes: list[Scene], name: str) -> dict[str, Any]:
    """The scenes' annotations in COCO's form, image ids and category ids from 1."""
    annotations: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, 1):
        for box, kind in zip(scene.boxes.tolist(), scene.classes.tolist(), strict=True):
            width, height = box[2] - box[0], box[3] - box[1]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": kind + 1,
                    "bbox": [box[0], box[1], width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    return {
        "info": {"description": name},
        "images": [
            {"id": n, "file_name": f"{n:012d}.png", "width": SIDE, "height": SIDE} for n in range(1, len(scenes) + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": n, "name": kind, "supercategory": "clothing"} for n, kind in enumerate(CLASSES, 1)],
    }


def enlarged(picture: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """Linear between the four neighbours: (28, 28) to (size, size)."""
    place = np.clip((np.arange(size) + 0.5) * len(picture) / size - 0.5, 0, len(picture) - 1)
    low = np.minimum(place.astype(np.int64), len(picture) - 2)
    part = place - low
    source = picture.astype(np.float64)
    rows = source[low] * (1 - part)[:, None] + source[low + 1] * part[:, None]
    return np.asarray(rows[:, low] * (1 - part) + rows[:, low + 1] * part)


def _background(seed: int, draw: Any) -> NDArray[np.float64]:
    """A cool colour that runs from corner to corner, with grain."""
    down, across = np.mgrid[0:SIDE, 0:SIDE] / (SIDE - 1)
    tilt = draw()
    slope = tilt * down + (1 - tilt) * across
    canvas = np.empty((SIDE, SIDE, 3))
    for channel, (least, spread) in enumerate(((20, 70), (50, 110), (110, 130))):
        begin, end = least + spread * draw(), least + spread * draw()
        canvas[..., channel] = begin + (end - begin) * slope
    grain = _noise(seed).astype(np.float64) / 2**32 - 0.5
    return np.asarray(canvas + grain * (10 + 40 * draw()))


def _noise(seed: int) -> NDArray[np.uint32]:
    """White noise (SIDE, SIDE, 3) by hashing positions: the same on every machine."""
    word = np.arange(SIDE * SIDE * 3, dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(seed & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        word ^= word >> np.uint32(shift)
        word *= np.uint32(factor)
    word ^= word >> np.uint32(16)
    return word.reshape(SIDE, SIDE, 3)


def _lay(canvas: NDArray[np.float64], item: NDArray[np.float64], top: int, left: int, tint: Any) -> None:
    """Blend the item over the canvas; dark pixels of the picture are see-through at its rim only."""
    cover = np.clip(item / _VISIBLE - 0.5, 0, 1)[..., None]
    place = canvas[top : top + len(item), left : left + len(item)]
    place *= 1 - cover
    place += cover * item[..., None] * np.asarray(tint)


def _bounds(item: NDArray[np.float64], top: int, left: int) -> tuple[int, int, int, int] | None:
    seen = item >= _VISIBLE
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    if len(rows) < 4 or len(columns) < 4:
        return None
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def _iou(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)
