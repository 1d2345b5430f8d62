"""The Dice score of marked volumes: twice what is common, by what both marked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMOOTH = 1e-6
"""Above and below the line, as in the reference: a class that nobody marked scores 1."""


def dice(found: NDArray[np.uint8], wanted: NDArray[np.uint8], classes: int) -> NDArray[np.float64]:
    """The score of every class but the first, which is background (0-1)."""
    pairs = np.bincount(wanted.ravel().astype(np.int64) * classes + found.ravel(), minlength=classes * classes)
    table = pairs.reshape(classes, classes).astype(np.float64)
    both, marked = np.diag(table), table.sum(0) + table.sum(1)
    return np.asarray((2.0 * both + SMOOTH) / (marked + SMOOTH))[1:]
