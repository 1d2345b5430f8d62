"""Samples of one shape, held in one block of memory, so that a batch costs one copy or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlassay.core.errors import BadFile, MlassayError, UsageError


class TensorLibrary:
    """A sample library (core.sut.SampleLibrary) whose samples are equal-shaped arrays.

    `prepare(index)` reads and preprocesses one sample; it is called from `workers` threads, outside the clock, and
    may raise BadFile: all bad files of a load are then reported together. `get` returns an array (n, *shape): a view
    where the samples lie side by side, else a copy.
    """

    def __init__(
        self,
        name: str,
        *,
        total_count: int,
        performance_count: int,
        shape: tuple[int, ...],
        prepare: Callable[[int], NDArray[Any]],
        dtype: str = "float32",
        workers: int = 0,
    ) -> None:
        self.name = name
        self.total_count = total_count
        self.performance_count = min(performance_count or total_count, total_count)
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._prepare = prepare
        self._workers = workers or len(os.sched_getaffinity(0))
        self._row = [-1] * total_count  # sample index -> row of the block
        self._rows = np.full(total_count, -1, np.int64)  # the same, for many at once
        self._block: NDArray[Any] = np.empty((0, *shape), self._dtype)

    def load(self, indices: Sequence[int]) -> None:
        wanted = [i for i in dict.fromkeys(int(i) for i in indices) if self._row[i] < 0]
        if not wanted:
            return
        kept = [(i, row) for i, row in enumerate(self._row) if row >= 0]
        block = np.empty((len(kept) + len(wanted), *self._shape), self._dtype)
        self._fill(block[len(kept) :], wanted)
        if kept:
            block[: len(kept)] = self._block[[row for _, row in kept]]
        self._block = block
        for row, index in enumerate([*(i for i, _ in kept), *wanted]):
            self._row[index] = row
        self._rows[:] = self._row

    def unload(self, indices: Sequence[int]) -> None:
        for index in indices:
            self._row[index] = -1
        self._rows[:] = self._row
        if not (self._rows >= 0).any():
            self._block = np.empty((0, *self._shape), self._dtype)

    def get(self, indices: Sequence[int]) -> Any:
        n = len(indices)
        if n == 1:
            row = self._row[indices[0]]
            if row < 0:
                raise self._not_loaded(indices[0])
            return self._block[row : row + 1]
        rows = self._rows[np.asarray(indices)]
        if n == 0 or rows.min() < 0:
            raise self._not_loaded(next((i for i in indices if self._row[i] < 0), -1))
        first = int(rows[0])
        if rows[-1] - first == n - 1 and (rows[1:] - rows[:-1] == 1).all():
            return self._block[first : first + n]
        return self._block.take(rows, axis=0)

    def _not_loaded(self, index: int) -> UsageError:
        return UsageError(f"sample {index} of {self.name} is not loaded", hint="load it before the clock starts")

    def _fill(self, block: NDArray[Any], indices: list[int]) -> None:
        """Prepare every sample; bad ones are collected and reported together."""
        bad: list[MlassayError] = []

        def one(row: int) -> None:
            try:
                block[row] = self._prepare(indices[row])
            except BadFile as error:
                bad.append(error)

        if self._workers == 1 or len(indices) < 2:
            for row in range(len(indices)):
                one(row)
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                list(pool.map(one, range(len(indices))))
        if bad:
            raise _together(self.name, len(indices), bad)


def _together(name: str, n: int, bad: list[MlassayError]) -> MlassayError:
    if len(bad) == 1:
        return bad[0]
    shown = "".join(f"\n    {error.message}" for error in bad[:10])
    more = f"\n    and {len(bad) - 10} more" if len(bad) > 10 else ""
    return MlassayError(
        f"{name}: {len(bad)} of {n} samples cannot be read:{shown}{more}", hint="restore these files, then run again"
    )
