"""KiTS19 as published, made into what training reads: equal spacing, scaled intensities, edges of at least a window.

The steps and their roundings are those of training's reference. Inference's resamples in another way, so its volumes
have other sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import interpolate

from mlassay.training.unet3d import data
from mlassay.training.unet3d.scans import SPACING, convert_each, read_case, require_cases, save_array, scaled, widened

T = TypeVar("T", np.float32, np.uint8)


def prepare(raw: Path, out: Path, *, told: Callable[[str], None] = lambda _: None) -> Path:
    """RAW/case_00000/imaging.nii.gz and segmentation.nii.gz to OUT/case_00000_x.npy and case_00000_y.npy, 210 cases.

    Interrupted, it goes on where it stopped. Raises one error that lists cases that are missing or cannot be read; what
    could be prepared is kept.
    """
    numbers = {data.case_name(number): number for number in range(data.N_CASES)}
    require_cases(raw, list(numbers))

    def convert(case: str) -> None:
        files = data.case_files(out, numbers[case])
        if all(path.is_file() for path in files):
            return
        told(case)
        image, labels = prepared(*read_case(raw / case))
        save_array(files[0], image[None])
        save_array(files[1], labels[None])

    convert_each(raw, numbers, convert)
    return out


def prepared(
    image: NDArray[np.float32], labels: NDArray[np.uint8], spacing: Sequence[float]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Image and labels of one case, of equal shape (D, H, W), edges of at least 128 voxels.

    First and last voxels of an image stay in place; a label is that of the voxel which holds the new one's corner.
    """
    size = resampled_size(image.shape, spacing)
    image = _resampled(image, size, "trilinear", True)
    return widened(scaled(image)), widened(_resampled(labels, size, "nearest", None))


def resampled_size(shape: Sequence[int], spacing: Sequence[float]) -> list[int]:
    """Voxels of `SPACING` along each axis, rounded down; inference's rounds to the nearest."""
    return [max(1, int(edge / wanted * n)) for edge, wanted, n in zip(spacing, SPACING, shape, strict=True)]


def _resampled(volume: NDArray[T], size: Sequence[int], mode: str, align_corners: bool | None) -> NDArray[T]:
    resampled = interpolate(torch.from_numpy(volume)[None, None], list(size), mode=mode, align_corners=align_corners)
    array: NDArray[T] = resampled[0, 0].contiguous().numpy()
    return array
