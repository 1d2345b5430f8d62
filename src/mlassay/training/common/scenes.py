"""Scenes for the small detection profiles: Fashion-MNIST photographs laid out in colour, boxes and masks exact.

Each scene is a pure function of (seed, part, number). Training scenes take the training photographs, evaluation scenes
the test photographs, so that no item is seen in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlassay.training.common.coco import run_lengths
from mlassay.training.common.idx import FASHION_MNIST, labelled_images
from mlassay.training.common.pictures import Picture

SEED = 20261128
N_KINDS = 10
_ITEM = 28  # pixels of a photograph
_VISIBLE = 40  # of 255: from here on a pixel of a photograph counts as part of the item
_OVERLAP = 0.1  # largest share of an item that others may hide
_TRIES = 10


class Scenes:
    """`side`×`side` pictures with one to three items of 20 to 34 pixels on a graded, grainy background."""

    def __init__(self, folder: Path | None, n_train: int, n_eval: int, side: int) -> None:
        photographs = {part: labelled_images(folder or FASHION_MNIST, part) for part in ("train", "t10k")}
        self._train = [_scene(photographs["train"], (SEED, 0, n), side, n + 1) for n in range(n_train)]
        self._eval = [_scene(photographs["t10k"], (SEED, 1, n), side, n + 1) for n in range(n_eval)]
        self.n_train, self.n_eval, self.n_classes = n_train, n_eval, N_KINDS + 1

    def train(self, number: int) -> Picture:
        return self._train[number]

    def eval(self, number: int) -> Picture:
        return self._eval[number]

    def category(self, label: int) -> int:
        return label

    def truth(self) -> dict[str, Any]:
        annotations: list[dict[str, Any]] = []
        for picture in self._eval:
            for box, kind, mask in zip(picture.boxes.tolist(), picture.classes.tolist(), picture.masks, strict=True):
                width, height = box[2] - box[0], box[3] - box[1]
                assert isinstance(mask, np.ndarray)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": picture.image_id,
                        "category_id": kind,
                        "bbox": [box[0], box[1], width, height],
                        "area": float(mask.sum()),
                        "segmentation": run_lengths(mask),
                        "iscrowd": 0,
                    }
                )
        images = [{"id": p.image_id, "width": p.width, "height": p.height} for p in self._eval]
        return {
            "info": {},
            "images": images,
            "annotations": annotations,
            "categories": [{"id": n, "name": str(n)} for n in range(1, N_KINDS + 1)],
        }


def _scene(
    photographs: tuple[NDArray[np.uint8], NDArray[np.uint8]], seed: tuple[int, ...], side: int, image_id: int
) -> Picture:
    rng = np.random.default_rng(seed)
    canvas = _background(rng, side)
    owner = np.full((side, side), -1)  # which item is seen at each pixel
    sizes: list[int] = []
    classes: list[int] = []
    for _ in range(int(rng.integers(1, 4))):
        which = int(rng.integers(len(photographs[0])))
        item = _enlarged(photographs[0][which], int(rng.integers(side * 5 // 16, side * 9 // 16)))
        solid = item >= _VISIBLE
        for _ in range(_TRIES):
            top, left = (int(x) for x in rng.integers(0, side - len(item) + 1, 2))
            place = (slice(top, top + len(item)), slice(left, left + len(item)))
            hidden = np.bincount(owner[place][solid] + 1, minlength=len(sizes) + 1)[1:]
            if solid.sum() >= 30 and all(h <= _OVERLAP * s for h, s in zip(hidden, sizes, strict=True)):
                owner[place][solid] = len(sizes)
                tint = rng.uniform((0.7, 0.4, 0.15), (1.0, 0.75, 0.45))
                canvas[place][solid] = item[solid][:, None] * tint
                sizes.append(int(solid.sum()))
                classes.append(int(photographs[1][which]) + 1)
                break
    masks = tuple(owner == n for n in range(len(sizes)))
    boxes = np.array([_bounds(m) for m in masks], np.float32).reshape(-1, 4)
    pixels = torch.from_numpy(np.clip(canvas, 0, 255).astype(np.uint8)).permute(2, 0, 1).contiguous()
    return Picture(image_id, pixels, torch.from_numpy(boxes), torch.tensor(classes, dtype=torch.int64), masks)


def _background(rng: np.random.Generator, side: int) -> NDArray[np.float64]:
    """A cool colour that changes from corner to corner, with grain."""
    slope = np.add.outer(np.arange(side), rng.uniform(-1, 1) * np.arange(side)) / side
    least = np.array((20, 50, 110))
    colour = rng.uniform(least, least + 70) + slope[..., None] * rng.uniform(-60, 60, 3)
    return np.asarray(colour + rng.normal(0, rng.uniform(2, 15), (side, side, 3)))


def _enlarged(photograph: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """Linear between neighbours: (28, 28) to (size, size)."""
    at = np.clip((np.arange(size) + 0.5) * _ITEM / size - 0.5, 0, _ITEM - 1)
    weights = np.maximum(0, 1 - abs(at[:, None] - np.arange(_ITEM)))  # (size, 28)
    return np.asarray(weights @ photograph @ weights.T)


def _bounds(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
