"""A look at arrays too large to be read whole: their first and last rows. Needs no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mlassay.core.data_report import DataProblem


def both_ends(n: int, n_each: int) -> tuple[slice, ...]:
    """The first and the last `n_each` of `n` rows; one slice where they are the same."""
    starts = sorted({0, max(0, n - n_each)})
    return tuple(slice(start, min(start + n_each, n)) for start in starts)


def out_of_range(
    where: str, unit: str, array: npt.NDArray[np.generic], n_values: int, n_each: int
) -> Iterator[DataProblem]:
    """A finding for the first end with a value that is not of 0 to `n_values` - 1; not-a-number is none."""
    for part in both_ends(len(array), n_each):
        values: npt.NDArray[Any] = array[part]
        low, high = values.min(), values.max()
        if not (low >= 0 and high < n_values):
            place = f"{where}: {unit} {part.start:,} to {part.stop - 1:,}"
            yield DataProblem(place, f"from {low} to {high}", f"0 to {n_values - 1:,}")
            return


def all_alike(where: str, unit: str, array: npt.NDArray[np.generic], n_each: int) -> Iterator[DataProblem]:
    """A finding for the first end that is one value throughout: a file that was made at full size, but not filled."""
    for part in both_ends(len(array), n_each):
        values: npt.NDArray[Any] = array[part]
        if len(values) > 1 and values.min() == values.max():
            yield DataProblem(f"{where}: {unit} {part.start:,} to {part.stop - 1:,}", f"all {values[0]}", "a text")
            return
