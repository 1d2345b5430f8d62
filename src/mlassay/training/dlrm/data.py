"""Rows of numbers, ids and a label: Criteo in .npy files, or the fields of a Debian package index."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mlassay.core.errors import BadFile
from mlassay.training.ncf.data import package_lines


@dataclass(frozen=True, slots=True)
class Table:
    """dense (N, n_dense) already on a logarithmic scale, ids (N, sum of hots), labels (N,) of 0 and 1."""

    dense: npt.NDArray[Any]
    ids: npt.NDArray[Any]
    labels: npt.NDArray[Any]
    logarithm: bool = False  # dense still needs log(x+1)

    def __len__(self) -> int:
        return len(self.labels)

    def take(
        self, rows: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        dense = np.asarray(self.dense[rows], np.float32)
        if self.logarithm:
            dense = np.log1p(np.maximum(dense, 0.0))
        return dense, np.asarray(self.ids[rows], np.int64), np.asarray(self.labels[rows], np.float32)


def load(
    data_format: str, path: Path | None, n_dense: int, rows: tuple[int, ...], hots: tuple[int, ...]
) -> tuple[Table, Table]:
    """Training and evaluation rows. Raises BadFile when a file does not fit the model."""
    if data_format == "debian":
        return from_index(package_lines(path), rows)
    if path is None:
        raise BadFile("--data", found="not given", expected="a folder with train_ and eval_ dense, sparse, labels .npy")
    return read_arrays(path, "train", n_dense, rows, hots), read_arrays(path, "eval", n_dense, rows, hots)


def read_arrays(folder: Path, part: str, n_dense: int, rows: tuple[int, ...], hots: tuple[int, ...]) -> Table:
    """Arrays mapped from disk, one row a sample; ids are taken modulo each table's rows."""
    arrays = {}
    widths = {"dense": n_dense, "sparse": sum(hots), "labels": 1}
    for kind, width in widths.items():
        path = folder / f"{part}_{kind}.npy"
        if not path.exists():
            raise BadFile(path, found="absent", expected=f"an array of {width} columns")
        try:
            array = np.load(path, mmap_mode="r")
        except (ValueError, EOFError) as error:
            raise BadFile(path, found=f"unreadable ({error})", expected="a .npy array") from error
        if array.reshape(len(array), -1).shape[1] != width:
            raise BadFile(path, found=f"{array.shape}", expected=f"{width} columns")
        arrays[kind] = array.reshape(len(array), -1)
    counts = {k: len(a) for k, a in arrays.items()}
    if len(set(counts.values())) != 1:
        raise BadFile(folder, key=part, found=str(counts), expected="equally many rows")
    limits = np.repeat(np.array(rows), np.array(hots))
    return Table(arrays["dense"], _Modulo(arrays["sparse"], limits), arrays["labels"][:, 0], True)  # type: ignore[arg-type]


class _Modulo:
    """Ids brought into their tables as they are read."""

    def __init__(self, array: npt.NDArray[Any], limits: npt.NDArray[np.int64]) -> None:
        self._array, self._limits = array, limits

    def __getitem__(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return np.asarray(self._array[rows], np.int64) % self._limits


def from_index(lines: Iterable[str], rows: tuple[int, ...]) -> tuple[Table, Table]:
    """One row a package; its label: may it be installed for several architectures at once (Multi-Arch: same)?

    Dense: sizes, counts of dependencies and provisions, lengths of name and description. Ids: section, priority,
    architecture, maintainer, source, first letters, first and last dependency, each hashed into its table.
    """
    packages = _packages(lines)
    if len(packages) < 200:
        raise BadFile("the package index", found=f"{len(packages)} packages", expected="a whole distribution")
    dense = np.array([_numbers(p) for p in packages], np.float32)
    dense = np.log1p(dense)
    dense = (dense - dense.mean(0)) / (dense.std(0) + 1e-6)
    ids = np.array([[zlib.crc32(w.encode()) % n for w, n in zip(_words(p), rows, strict=True)] for p in packages])
    labels = np.array([p.get("Multi-Arch", "") == "same" for p in packages], np.float32)
    order = np.random.default_rng(20190601).permutation(len(packages))  # fixed: all runs face the same test
    cut = len(order) * 5 // 6
    return _rows(dense, ids, labels, order[:cut]), _rows(dense, ids, labels, order[cut:])


def _rows(dense: npt.NDArray[Any], ids: npt.NDArray[Any], labels: npt.NDArray[Any], at: npt.NDArray[np.int64]) -> Table:
    return Table(dense[at], ids[at], labels[at])


def _packages(lines: Iterable[str]) -> list[dict[str, str]]:
    """One dictionary a package, each name once."""
    found: dict[str, dict[str, str]] = {}
    fields: dict[str, str] = {}
    for line in lines:
        if line.startswith("Package: "):
            fields = found.setdefault(line[9:].strip(), {"Package": line[9:].strip()})
        elif line[:1] not in (" ", "\t", "") and ": " in line:
            key, value = line.split(": ", 1)
            fields[key] = value.strip()
    return [found[name] for name in sorted(found)]


def _numbers(p: dict[str, str]) -> list[float]:
    def count(key: str) -> int:
        return p[key].count(",") + 1 if key in p else 0

    return [
        _whole(p.get("Size", "")),
        _whole(p.get("Installed-Size", "")),
        count("Depends"),
        count("Provides"),
        len(p["Package"]),
        len(p.get("Description", "")),
    ]


def _whole(text: str) -> float:
    return float(text) if text.isdigit() else math.nan if text else 0.0


def _words(p: dict[str, str]) -> list[str]:
    dependencies = [d.split()[0] for d in p.get("Depends", "-").replace("|", ",").split(",") if d.split()]
    source = p.get("Source", p["Package"]).split(" ")[0]
    return [
        p.get("Section", ""),
        p.get("Priority", ""),
        p.get("Architecture", ""),
        p.get("Maintainer", ""),
        source,
        p["Package"][:3],
        dependencies[0],
        dependencies[-1],
    ]
