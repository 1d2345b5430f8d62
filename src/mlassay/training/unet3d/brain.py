"""The small profile's volumes: the MNI ICBM152 template of a brain, with grey and white matter marked.

The template is the average of 152 people's T1 images, packed in voxels of 2 mm. Slabs of its front and rear are to
train on, the slab between them is to be judged on; 8 mm lie between. (Left and right mirror each other in this one:
a split between them would be none.)
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PACKED = Path(__file__).parent / "data" / "brain-2mm.npz"  # across, from rear to front, up: 72 × 90 × 72 voxels
MEAN, DEVIATION = 110.0, 90.0
TRAIN_SLABS = (slice(0, 26), slice(66, 90))
EVAL_SLAB = slice(30, 62)
Place = tuple[slice, slice, slice]


def load() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scaled image and labels: 0 outside, 1 grey matter, 2 white matter."""
    with np.load(PACKED, allow_pickle=False) as arrays:
        image = (arrays["image"].astype(np.float32) - np.float32(MEAN)) / np.float32(DEVIATION)
        return image, arrays["labels"]


def train_places() -> Iterator[Place]:
    """Boxes of 48 voxels across and up that overlap; as deep as their slab."""
    starts = (0, 12, 24)
    for slab, across, up in product(TRAIN_SLABS, starts, starts):
        yield slice(across, across + 48), slab, slice(up, up + 48)


def eval_places() -> Iterator[Place]:
    """Boxes of four sizes, as scans differ, that do not overlap. The window's steps fit: nothing is padded."""
    for across, up in product(pairwise((0, 32, 72)), pairwise((0, 40, 72))):
        yield slice(*across), EVAL_SLAB, slice(*up)
