"""How rows become samples: one sample asks for the ratings of 100 to 700 user-item pairs, as one page view would.

The sizes are drawn once, from a fixed distribution and seed, so that everybody measures with the same samples. The
boundaries for Criteo equal the published trace (Zenodo record 3941795) byte for byte.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile

QUANTILES = (1, 1, *(2,) * 12, 3, 3, 4, 5, 6, 7)
"""Twenty equally likely sizes, in hundreds of pairs."""

SEED = 123
CRITEO_ROWS = 89_137_319  # the first half of day 23
TRACE_MD5 = "3db90209564316f2506c99cc994ad0b2"  # of the trace as text


def boundaries(rows: int, *, unit: int = 100, seed: int = SEED) -> NDArray[np.int64]:
    """Where each sample begins, and the end: n + 1 ascending row numbers. The last sample takes what is left."""
    sizes = np.asarray(QUANTILES, np.int64) * unit
    most = rows // unit + 1
    drawn = sizes[np.random.RandomState(seed).randint(0, len(sizes), size=most)]
    ends = np.cumsum(drawn)
    n = int(np.searchsorted(ends, rows)) + 1
    ends = ends[:n]
    ends[-1] = rows
    return np.concatenate([[0], ends])


def trace_text(edges: NDArray[np.int64]) -> str:
    """The boundaries as the published trace file has them: "begin, end, size" a line."""
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return "".join(f"{begin}, {end}, {end - begin}\n" for begin, end in pairs)


def trace_md5(edges: NDArray[np.int64]) -> str:
    return hashlib.md5(trace_text(edges).encode("ascii"), usedforsecurity=False).hexdigest()


def read_trace(path: Path, rows: int) -> NDArray[np.int64]:
    """Boundaries from a trace file; BadFile when they do not follow on each other or go beyond the data."""
    edges = [0]
    for number, line in enumerate(path.read_text(encoding="ascii", errors="replace").splitlines(), 1):
        parts = line.split(", ")
        if len(parts) != 3 or not all(part.strip().isdigit() for part in parts):
            raise BadFile(path, key=f"line {number}", found=repr(line[:40]), expected='"begin, end, size"')
        begin, end, size = map(int, parts)
        if begin != edges[-1] or end - begin != size or size < 1:
            raise BadFile(
                path, key=f"line {number}", found=repr(line[:40]), expected=f"a sample that begins at row {edges[-1]}"
            )
        edges.append(end)
    if edges[-1] > rows or len(edges) == 1:
        raise BadFile(path, found=f"a trace of {edges[-1]:,} rows", expected=f"at most the {rows:,} of the data set")
    return np.asarray(edges, np.int64)
