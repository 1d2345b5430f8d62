"""Pictures with objects, wherever they come from: what the detection benchmarks train on and are scored by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Outlines = tuple[NDArray[np.float64], ...]  # polygons of one object, each (n, 2)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and its objects. Classes count from 1; 0 is the background."""

    image_id: int
    pixels: Tensor  # (3, H, W) uint8, red first
    boxes: Tensor  # (n, 4) float, left, top, right, bottom
    classes: Tensor  # (n,) int64
    masks: tuple[Outlines | NDArray[np.bool_], ...] = ()  # polygons, or (H, W) bitmaps; empty where not asked for

    @property
    def height(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[2])


class PictureSource(Protocol):
    """Training and evaluation pictures by number, and the truth in COCO's form."""

    n_train: int
    n_eval: int

    def train(self, number: int) -> Picture: ...
    def eval(self, number: int) -> Picture: ...

    def truth(self) -> dict[str, Any]:
        """COCO annotations of all evaluation pictures."""
        ...

    def category(self, label: int) -> int:
        """COCO's category of class `label` (from 1)."""
        ...
