"""What happens to a training volume on its way into the network: a crop, mirrors, brightness, noise; the reference's.

Pure functions of arrays (D, H, W) and a generator. In the reference's order: crop, mirrors, brightness, noise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import MissingDependency

Slices = tuple[slice, ...]

MIRROR_CHANCE = 1 / 3  # each axis by itself
BRIGHTNESS_CHANCE, BRIGHTNESS_RANGE = 0.1, (0.7, 1.3)
NOISE_CHANCE, NOISE_MOST = 0.1, 0.1


def largest_parts(labels: NDArray[np.uint8], n: int = 2) -> dict[int, list[Slices]]:
    """For every class but background: the boxes around its `n` largest connected parts, by the boxes' volume."""
    try:
        from scipy import ndimage
    except ModuleNotFoundError as error:
        raise MissingDependency("scipy", extra="training-data", why="it finds a tumour's connected parts") from error
    found: dict[int, list[Slices]] = {}
    for mark in np.unique(labels[labels > 0]):
        parts = ndimage.find_objects(ndimage.label(labels == mark)[0])
        found[int(mark)] = sorted(parts, key=_volume)[-n:]
    return found


def crop(
    shape: Sequence[int],
    edge: int,
    parts: Mapping[int, Sequence[Slices]],
    oversampling: float,
    rng: np.random.Generator,
) -> Slices:
    """Where to cut a cube out of a volume: anywhere, or with probability `oversampling` around a marked part."""
    if rng.random() >= oversampling or not parts:
        return tuple(slice(at, at + edge) for at in (_below(size - edge, rng) for size in shape))
    mark = list(parts)[_below(len(parts), rng)]
    part = parts[mark][_below(len(parts[mark]), rng)]
    return tuple(_around(p.start, p.stop, size, edge, rng) for p, size in zip(part, shape, strict=True))


def _around(start: int, stop: int, size: int, edge: int, rng: np.random.Generator) -> slice:
    """A stretch of `edge` voxels that holds the part, or lies within it where the part is longer."""
    spare = edge - (stop - start)
    if spare <= 0:
        low = start + _below(-spare, rng)
        return slice(low, low + edge)
    before = _below(spare, rng)
    low, high = max(0, start - before), min(size, stop + spare - before)
    short = edge - (high - low)  # where the volume ends
    return slice(low, high + short) if low == 0 else slice(low - short, high)


def augmented(
    image: NDArray[np.float32], labels: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Mirrored, made brighter, made noisy, each by chance. The inputs are left alone.

    Brightness multiplies by 1 + U(0.7, 1.3), so by 1.7 to 2.3: surely not what was meant, but what the reference does
    and every result has been trained with.
    """
    axes = tuple(axis for axis in range(image.ndim) if rng.random() < MIRROR_CHANCE)
    image, labels = np.flip(image, axes).astype(np.float32), np.flip(labels, axes).astype(np.uint8)
    if rng.random() < BRIGHTNESS_CHANCE:
        image *= np.float32(1.0 + rng.uniform(*BRIGHTNESS_RANGE))
    if rng.random() < NOISE_CHANCE:
        deviation = rng.uniform(0.0, NOISE_MOST)
        image += np.float32(deviation) * rng.standard_normal(image.shape, np.float32)
    return image, labels


def _below(most: int, rng: np.random.Generator) -> int:
    """A whole number from 0, below `most`; 0 where there is no room. The last place is never taken: the reference's."""
    return 0 if most == 0 else int(rng.integers(most))


def _volume(part: Any) -> int:
    return int(np.prod([s.stop - s.start for s in part]))
