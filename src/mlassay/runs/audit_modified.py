"""TEST03 of round v0.5: the same samples, changed. Who had the answers ready gives them all the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlassay.core.sut import SampleLibrary

CHANNELS = 4
"""A dimension of at most so many values is taken for colours."""


class ModifiedLibrary:
    """A sample library whose samples lack what they showed: one colour channel is zero, words stand in reverse."""

    def __init__(self, inner: SampleLibrary) -> None:
        self._inner = inner
        self.name = f"{inner.name} (modified)"
        self.total_count, self.performance_count = inner.total_count, inner.performance_count

    def load(self, indices: Sequence[int]) -> None:
        self._inner.load(indices)

    def unload(self, indices: Sequence[int]) -> None:
        self._inner.unload(indices)

    def get(self, indices: Sequence[int]) -> Sequence[Any]:
        return [modified(sample) for sample in self._inner.get(indices)]


def modified(sample: Any) -> Any:
    """A changed copy: pictures lose a channel (the reference's way), whole numbers their order, other arrays a half."""
    if isinstance(sample, tuple):
        first, rest = modified(sample[0]), sample[1:]  # what goes with it (lengths, masks) stays
        return type(sample)(first, *rest) if hasattr(sample, "_fields") else (first, *rest)
    array = np.array(sample)
    if array.dtype.kind in "iu" and array.ndim == 1:
        return array[::-1].copy()
    colours = [axis for axis, size in enumerate(array.shape) if array.ndim >= 3 and size <= CHANNELS]
    if colours:
        array[(slice(None),) * colours[0] + (0,)] = 0
    elif array.ndim:
        array[: max(1, len(array) // 2)] = 0
    else:
        array = array + 1
    return array
