"""From a scan to what the network eats: equal spacing, clipped and scaled intensities, edges that the window fits.

The steps and their roundings are those of the reference for KiTS19.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.training.unet3d.scans import SPACING, WINDOW, scaled, widened
from mlassay.training.unet3d.windows import PADDING, fit


def prepared_volume(
    image: NDArray[np.float32], labels: NDArray[np.uint8], spacing: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Image and labels of one case, of equal shape (D, H, W), edges multiples of 64 and at least 128."""
    if tuple(spacing) != SPACING:
        factors = [found / wanted for found, wanted in zip(spacing, SPACING, strict=True)]
        image = zoomed(image, factors, outside=float(image.min()))
        labels = zoomed(labels, factors, outside=float(labels.min()), nearest=True)
    image, labels = widened(scaled(image)), widened(labels)
    how = fit(image.shape, WINDOW)
    return how.apply(image, PADDING), how.apply(labels, 0)


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
