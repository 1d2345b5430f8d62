"""From a scan to what the network eats: equal spacing, clipped and scaled intensities, edges that the window fits.

The steps and their roundings are those of the reference for KiTS19.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SPACING = (1.6, 1.2, 1.2)  # millimetres
LOW, HIGH = -79.0, 304.0  # Hounsfield units
MEAN, DEVIATION = 101.0, 76.9
WINDOW = 128
STRIDE = WINDOW // 2
PADDING = -2.2  # of the scaled image, around the body


def prepared_volume(
    image: NDArray[np.float32], labels: NDArray[np.uint8], spacing: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Image and labels of one case, of equal shape (D, H, W), edges multiples of 64 and at least 128."""
    if tuple(spacing) != SPACING:
        factors = [found / wanted for found, wanted in zip(spacing, SPACING, strict=True)]
        image = zoomed(image, factors, outside=float(image.min()))
        labels = zoomed(labels, factors, outside=float(labels.min()), nearest=True)
    image = (np.clip(image, LOW, HIGH) - np.float32(MEAN)) / np.float32(DEVIATION)
    margins = _margins([max(0, WINDOW - size) for size in image.shape])
    image, labels = np.pad(image, margins, mode="edge"), np.pad(labels, margins, mode="edge")
    return _fitted(image, PADDING), _fitted(labels, 0)


def zoomed(volume: NDArray[Any], factors: Sequence[float], *, outside: float, nearest: bool = False) -> NDArray[Any]:
    """Resampled so that first and last voxels stay in place: linear, or the nearest voxel.

    As scipy.ndimage.zoom with mode="constant": what by rounding falls beyond the last voxel takes the value `outside`.
    """
    result: NDArray[Any] = volume
    for axis, factor in enumerate(factors):
        result = _zoomed_along(result, axis, factor, outside, nearest)
    return result


def _zoomed_along(volume: NDArray[Any], axis: int, factor: float, outside: float, nearest: bool) -> NDArray[Any]:
    old = volume.shape[axis]
    new = round(old * factor)
    place = np.arange(new) * ((old - 1) / (new - 1) if new > 1 else 1.0)
    beyond = place > old - 1
    place = np.minimum(place, old - 1)
    moved = np.moveaxis(volume, axis, 0)
    if nearest:
        taken = moved[np.minimum(np.floor(place + 0.5).astype(np.int64), old - 1)]
    else:
        low = np.floor(place).astype(np.int64)
        share = (place - low).reshape(-1, *[1] * (moved.ndim - 1))
        high = np.minimum(low + 1, old - 1)
        taken = (moved[low] * (1 - share) + moved[high] * share).astype(volume.dtype)
    taken[beyond] = outside
    return np.ascontiguousarray(np.moveaxis(taken, 0, axis))


def _fitted(volume: NDArray[Any], padding: float) -> NDArray[Any]:
    """Edges cut by the rest over 64 where that is less than half, padded up to the next 64 otherwise."""
    rests = [size % STRIDE for size in volume.shape]
    cuts = _margins([rest if rest < STRIDE // 2 else 0 for rest in rests])
    volume = volume[tuple(slice(a, size - b) for (a, b), size in zip(cuts, volume.shape, strict=True))]
    missing = [-size % STRIDE for size in volume.shape]
    missing = [m if size + m >= WINDOW else m + STRIDE for m, size in zip(missing, volume.shape, strict=True)]
    return np.pad(volume, _margins(missing), constant_values=np.asarray(padding, volume.dtype))


def _margins(whole: Sequence[int]) -> list[tuple[int, int]]:
    """Split evenly before and after; the odd one goes after."""
    return [(size // 2, size - size // 2) for size in whole]
