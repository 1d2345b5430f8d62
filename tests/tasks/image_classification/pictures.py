"""Tiny data sets in the real on-disk forms, made in a temporary folder."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image


def photo(seed: int, height: int = 40, width: int = 60) -> np.ndarray:
    """Smooth colour noise, so that JPEG changes little."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 256, (4, 5, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def save(path: Path, seed: int, **size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo(seed, **size)).save(path, quality=95)
    return path


def imagenet(folder: Path, classes: list[int], *, label_file: str = "val_map.txt", **size: int) -> Path:
    """ILSVRC2012 names with a label file, as MLPerf and Caffe have it."""
    lines = []
    folder.mkdir(parents=True, exist_ok=True)
    for number, label in enumerate(classes, 1):
        name = f"ILSVRC2012_val_{number:08d}.JPEG"
        save(folder / name, number, **size)
        lines.append(f"{name} {label}\n")
    (folder / label_file).write_text("".join(lines), encoding="utf-8")
    return folder


def idx(path: Path, array: np.ndarray) -> Path:
    """Written independently of our own writer."""
    raw = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def fashion(folder: Path, n: int = 30, *, suffix: str = "-ubyte.gz", edge: int = 28) -> Path:
    random = np.random.default_rng(0)
    idx(folder / f"t10k-images-idx3{suffix}", random.integers(0, 256, (n, edge, edge), np.uint8))
    idx(folder / f"t10k-labels-idx1{suffix}", random.integers(0, 10, n).astype(np.uint8))
    return folder
