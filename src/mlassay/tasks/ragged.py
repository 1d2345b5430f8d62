"""Batches of samples of different lengths: padded with zeros to the longest of the batch, run, finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlassay.core.model import Finish, Run


@dataclass(frozen=True, slots=True)
class PadAndRun:
    """`ModelSpec.infer` for samples that are tuples of arrays, one per input; the model is told true lengths."""

    finish: Finish

    def __call__(self, samples: Any, run: Run) -> Sequence[Any]:
        return self.finish(run([stacked(column) for column in zip(*samples, strict=True)]))


def stacked(arrays: Sequence[Any]) -> Any:
    """(n, *longest): arrays side by side, zeros where one is shorter."""
    shapes = {np.shape(array) for array in arrays}
    if len(shapes) == 1:
        return np.stack(arrays)
    longest = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    whole = np.zeros((len(arrays), *longest), arrays[0].dtype)
    for row, array in zip(whole, arrays, strict=True):
        row[tuple(slice(size) for size in array.shape)] = array
    return whole
