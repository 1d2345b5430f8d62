"""A window slides over a volume: where it stands, how much each voxel of its answer counts, what edge is cut or padded.

The reference's rules, the same for training's evaluation and for inference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

OVERLAP = 0.5
PADDING = -2.2  # of the scaled image, around the body


def positions(shape: Sequence[int], window: int) -> Iterator[tuple[int, ...]]:
    """Where the window stands: steps of half its edge, as far as it fits."""
    stride = int(window * (1 - OVERLAP))
    return product(*(range(0, size - window + 1, stride) for size in shape))


@lru_cache(maxsize=4)
def weights(window: int) -> NDArray[np.float32]:
    """How much each voxel of a window's answer counts: a bell around its middle, with a deviation of an eighth of the
    edge, its cube root taken, 1 at most; the reference's."""
    x = np.arange(window) - (window - 1) / 2
    bell = np.exp(-0.5 * (x / (0.125 * window)) ** 2)
    whole = np.cbrt(bell[:, None, None] * bell[:, None] * bell)
    return np.asarray(whole / whole.max(), np.float32)


@dataclass(frozen=True, slots=True)
class Fit:
    """How a volume's edges meet the grid of window positions: what is cut off, then what is padded, in voxels."""

    cuts: tuple[tuple[int, int], ...]  # before and after, each axis
    pads: tuple[tuple[int, int], ...]

    def cut(self, volume: NDArray[Any]) -> NDArray[Any]:
        inner = (slice(a, size - b) for (a, b), size in zip(self.cuts, volume.shape, strict=True))
        return volume[tuple(inner)]

    def apply(self, volume: NDArray[Any], padding: float) -> NDArray[Any]:
        return np.pad(self.cut(volume), self.pads, constant_values=np.asarray(padding, volume.dtype))

    def unpad(self, fitted: NDArray[Any]) -> NDArray[Any]:
        """The inverse of padding: as large as `cut` leaves a volume."""
        inner = (slice(a, size - b) for (a, b), size in zip(self.pads, fitted.shape, strict=True))
        return fitted[tuple(inner)]


def fit(shape: Sequence[int], window: int) -> Fit:
    """Edges are cut by the rest over the stride where that is less than half of it, else padded up to the next."""
    stride = int(window * (1 - OVERLAP))
    rests = [size % stride for size in shape]
    cuts = [rest if rest < stride // 2 else 0 for rest in rests]
    left = [size - cut for size, cut in zip(shape, cuts, strict=True)]
    missing = [-size % stride for size in left]
    missing = [m if size + m >= window else m + stride for m, size in zip(missing, left, strict=True)]
    return Fit(margins(cuts), margins(missing))


def margins(whole: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Split evenly before and after; the odd one goes after."""
    return tuple((size // 2, size - size // 2) for size in whole)
