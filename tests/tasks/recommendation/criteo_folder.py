"""A tiny Criteo day 23 on disk, in both usual forms, for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mlassay.tasks.recommendation.tables import CRITEO_HOT, CRITEO_ROWS_PER_TABLE


def multi_hot(folder: Path, rows: int = 950, *, compressed: bool = False) -> Path:
    draw = np.random.default_rng(1)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "day_23_dense.npy", draw.random((rows, 13), np.float32))
    np.save(folder / "day_23_labels.npy", draw.integers(0, 2, (rows, 1), dtype=np.int32))
    columns = {
        str(n): draw.integers(0, min(limit, 1000), (rows, hot), dtype=np.int32)
        for n, (hot, limit) in enumerate(zip(CRITEO_HOT, CRITEO_ROWS_PER_TABLE, strict=True))
    }
    (np.savez_compressed if compressed else np.savez)(folder / "day_23_sparse_multi_hot.npz", **columns)
    return folder


def one_hot(folder: Path, rows: int = 950) -> Path:
    draw = np.random.default_rng(2)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(
        folder / "day_23_reordered.npz",
        X_int=draw.integers(-2, 50, (rows, 13), dtype=np.int32),
        X_cat=draw.integers(0, 80_000_000, (rows, 26), dtype=np.int32),
        y=draw.integers(0, 2, rows, dtype=np.int32),
    )
    return folder
