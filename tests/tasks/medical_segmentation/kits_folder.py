"""Tiny KiTS19 cases on disk, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlassay.tasks.medical_segmentation import dataset


def write_case(folder: Path, case: str, shape: tuple[int, int, int] = (12, 20, 18), seed: int = 0) -> None:
    nibabel = pytest.importorskip("nibabel")
    draw = np.random.default_rng(seed)
    image = draw.normal(50, 80, shape).astype(np.float32)
    labels = draw.integers(0, 3, shape).astype(np.uint8)
    (folder / case).mkdir(parents=True, exist_ok=True)
    affine = np.diag([3.0, 0.8, 0.8, 1.0])
    for name, array in (("imaging", image), ("segmentation", labels)):
        nibabel.save(nibabel.Nifti1Image(array, affine), folder / case / f"{name}.nii.gz")


def kits(folder: Path) -> Path:
    """Every case of the rule book but case 400, which is case 185."""
    for seed, case in enumerate(dataset.KITS_CASES):
        if case not in dataset.DOUBLED:
            write_case(folder, case, seed=seed)
    return folder
