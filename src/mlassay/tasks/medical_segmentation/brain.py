"""The small profile's volumes: pieces of a brain, the MNI ICBM152 template, with grey and white matter marked.

The template is the average of 152 people's T1 images. Its rear part trained the packed model; 80 slices of its front
part, which the model has not seen, are packed and cut into boxes of different sizes, as patients' scans differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKED = Path(__file__).parent / "data" / "brain-front.npz"
WINDOW = 32
CLASSES = ("outside", "grey matter", "white matter")
MEAN, DEVIATION = 110.0, 90.0
_EDGES = ((0, 32, 80, 144), (0, 48, 80), (0, 64, 112, 144))  # where the boxes are cut, in voxels
_LEAST = 500  # voxels of either tissue; boxes with less are left out


@dataclass(frozen=True, slots=True)
class Box:
    """One piece: a name and where it lies in the packed volume."""

    name: str
    place: tuple[slice, slice, slice]


def load() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Image and labels of the packed front part."""
    with np.load(PACKED, allow_pickle=False) as arrays:
        return arrays["image"], arrays["labels"]


def boxes(labels: NDArray[np.uint8]) -> list[Box]:
    """All pieces that hold enough of both tissues, in a fixed order."""
    across, along, up = ([slice(a, b) for a, b in pairwise(edges)] for edges in _EDGES)
    found = []
    for number, place in enumerate(product(across, along, up)):
        if np.bincount(labels[place].ravel(), minlength=3)[1:].min() >= _LEAST:
            found.append(Box(f"box_{number:02d}", place))
    return found


def scaled(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray((image.astype(np.float32) - np.float32(MEAN)) / np.float32(DEVIATION))
