"""Tiny format-true data, so that every benchmark's whole path runs in a second."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np


def write_idx(path: Path, array: np.ndarray) -> None:
    head = b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(head + array.astype(np.uint8).tobytes()))


def fashion_like(folder: Path, n_train: int = 256, n_eval: int = 64, size: int = 28) -> Path:
    """Ten classes told apart by where a bright bar stands: learnable in a few steps."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(5)
    for part, n in (("train", n_train), ("t10k", n_eval)):
        labels = rng.integers(0, 10, n)
        images = rng.integers(0, 40, (n, size, size))
        for image, label in zip(images, labels, strict=True):
            image[2 + 2 * label : 5 + 2 * label] = 230
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", labels)
    return folder


def packages_like(path: Path, n_packages: int = 200, n_families: int = 5) -> Path:
    """A package index in which each family of packages depends on its own libraries."""
    rng = np.random.default_rng(6)
    lines = []
    for k in range(n_packages):
        family = k % n_families
        chosen = rng.choice(12, 7, replace=False)
        names = [f"lib{family}-{i} (>= 1.{i})" for i in chosen] + ["libc6 (>= 2.3) | other"]
        lines += [f"Package: p{k}", "Depends: " + ", ".join(names), ""]
    path.write_text("\n".join(lines))
    return path


def movielens_like(folder: Path) -> Path:
    """ratings.csv with 30 users of 25 ratings each, and two with too few."""
    rng = np.random.default_rng(7)
    rows = ["userId,movieId,rating,timestamp"]
    for user in range(30):
        for item in rng.choice(40, 25, replace=False):
            rows.append(f"{user * 3 + 1},{item * 7},{rng.integers(1, 11) / 2},{rng.integers(10**8, 10**9)}")
    rows += [f"{user},7,3.0,5" for user in (500, 501)]
    (folder / "ratings.csv").write_text("\n".join(rows) + "\n")
    return folder


def text_like(path: Path, n_lines: int = 900) -> Path:
    """A small language: few words in a fixed order of kinds, learnable in seconds."""
    rng = np.random.default_rng(8)
    subjects, verbs, objects = ["the cat", "the dog", "a bird"], ["sees", "hears"], ["the tree", "a house", "rain"]
    pick = lambda words: words[rng.integers(len(words))]  # noqa: E731
    lines = [f"{pick(subjects)} {pick(verbs)} {pick(objects)}." for _ in range(n_lines)]
    path.write_text("\n".join(lines))
    return path


def kits_like(folder: Path, size: int = 9, only: int = 210) -> Path:
    """The 210 cases of KiTS19 as the reference preprocesses them, tiny: bright blocks are kidney, brighter ones tumour.

    From case `only` on they are the same files again.
    """
    for number in range(210):
        names = [folder / f"case_{number:05d}_{kind}.npy" for kind in "xy"]
        if number >= only:
            for name in names:
                name.hardlink_to(folder / name.name.replace(f"{number:05d}", f"{number % only:05d}"))
            continue
        rng = np.random.default_rng(number)
        labels = np.zeros((1, size, size, size), np.uint8)
        third, (a, b, c) = size // 3, rng.integers(1, size // 3, 3)
        labels[0, a : a + 2 * third, b : b + 2 * third, c : c + third] = 1
        labels[0, a : a + third, b : b + third, c : c + third] = 2
        image = labels * 1.5 - 1 + rng.normal(0, 0.1, labels.shape)
        for name, array in zip(names, (image.astype(np.float32), labels), strict=True):
            np.save(name, array)
    return folder
