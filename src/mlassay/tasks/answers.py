"""What every scorer does with a stream of logged answers: each sample once, known samples only, the missing counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlassay.core.errors import BadFile
from mlassay.tasks.task import Answers


class FirstAnswers:
    """The first answer of each sample, as the official scripts take it; what was seen is known afterwards."""

    def __init__(self, answers: Answers, expected: int) -> None:
        self._answers, self.expected = answers, expected
        self._seen = np.zeros(expected, np.bool_)
        self.n = self.repeated = 0

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Raises BadFile for an index that is not in the data set."""
        for index, data in self._answers:
            if not 0 <= index < self.expected:
                raise BadFile(
                    "accuracy log",
                    key=f"qsl_idx {index}",
                    found="not a sample of this data set",
                    expected=f"0 to {self.expected - 1}",
                    hint="score the log with the data set that the run used",
                )
            if self._seen[index]:
                self.repeated += 1
                continue
            self._seen[index] = True
            self.n += 1
            yield index, data

    @property
    def problems(self) -> tuple[str, ...]:
        missing = self.expected - self.n
        return (f"{missing} of {self.expected} samples have no answer",) if missing else ()


def numbers(index: int, data: bytes, dtype: str, what: str) -> Any:
    """The answer as an array of `dtype` (little-endian, such as "<i8"); BadFile when the bytes cannot be that."""
    size = np.dtype(dtype).itemsize
    if len(data) % size:
        raise BadFile(
            "accuracy log",
            key=f"qsl_idx {index}",
            found=f"{len(data)} bytes",
            expected=f"a multiple of {size} bytes: {what}",
        )
    return np.frombuffer(data, dtype)
